// The addon's TreeReader: reads a tree that somebody else may be changing. Every path is opened below the folder without
// following a link anywhere on the way, and everything about an entry is asked of that one descriptor.
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include <memory>

#include "filesystem.h"

namespace gantry {

namespace {

using filesystem::Failed;
using filesystem::Result;

constexpr mode_t kModeBits = 07777;
// The kernel's own limits: XATTR_LIST_MAX and XATTR_SIZE_MAX, and PATH_MAX for the target of a link.
constexpr size_t kMaxXattr = 65536;
constexpr size_t kMaxTarget = 4096;

struct CloseFolder {
  void operator()(DIR* folder) const { closedir(folder); }
};

// Opens an entry below the root; an empty path is the root itself. ELOOP where a link is on the way; with O_PATH the
// last component may be one, and is then opened itself.
Result OpenBelow(int root, const std::string& path, uint64_t flags, Fd& out) {
  if (!path.empty()) {
    const Result checked = filesystem::CheckPath(path);
    if (!checked.ok()) return checked;
  }
  open_how how = {};
  how.flags = flags | O_NOFOLLOW | O_CLOEXEC;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS;
  const long fd = syscall(SYS_openat2, root, path.empty() ? "." : path.c_str(), &how, sizeof how);
  if (fd < 0) return Failed("openat2");
  out = Fd(static_cast<int>(fd));
  return {};
}

const char* TypeName(mode_t mode) {
  switch (mode & S_IFMT) {
    case S_IFREG:
      return "file";
    case S_IFDIR:
      return "directory";
    case S_IFLNK:
      return "symlink";
    case S_IFCHR:
      return "character";
    case S_IFBLK:
      return "block";
    case S_IFIFO:
      return "fifo";
    default:
      return "socket";
  }
}

// The magic link of a descriptor leads to the entry itself, also where that is a symbolic link.
std::string SelfPath(const Fd& fd) { return "/proc/self/fd/" + std::to_string(fd.get()); }

Napi::Buffer<char> CopyBytes(Napi::Env env, const void* data, size_t size) {
  return Napi::Buffer<char>::Copy(env, static_cast<const char*>(data), size);
}

class TreeReader : public Napi::ObjectWrap<TreeReader> {
 public:
  static Napi::Function Define(Napi::Env env) {
    return DefineClass(env, "TreeReader",
                       {InstanceMethod<&TreeReader::List>("list"), InstanceMethod<&TreeReader::Open>("open"),
                        InstanceMethod<&TreeReader::Read>("read"), InstanceMethod<&TreeReader::NextData>("nextData"),
                        InstanceMethod<&TreeReader::Close>("close")});
  }

  explicit TreeReader(const Napi::CallbackInfo& info) : Napi::ObjectWrap<TreeReader>(info) {
    if (!info[0].IsString()) {
      Misused(info);
      return;
    }
    const std::string path = info[0].As<Napi::String>().Utf8Value();
    const int fd = open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) {
      SystemError(info.Env(), errno, "open", path).ThrowAsJavaScriptException();
      return;
    }
    root_ = Fd(fd);
    std::string inside;
    if (info[1].IsUndefined()) return;
    if (!ReadPath(info[1], inside)) {
      Misused(info);
      return;
    }
    Fd folder;
    const Result result = filesystem::OpenInRoot(fd, inside, O_RDONLY | O_DIRECTORY, folder);
    if (!result.ok()) {
      Throw(info, result, inside);
      return;
    }
    root_ = std::move(folder);
  }

 private:
  static Napi::Value Misused(const Napi::CallbackInfo& info) {
    Napi::TypeError::New(info.Env(), "arguments of the wrong type for a call of TreeReader")
        .ThrowAsJavaScriptException();
    return info.Env().Undefined();
  }

  static Napi::Value Throw(const Napi::CallbackInfo& info, const Result& result, const std::string& path) {
    SystemError(info.Env(), result.error, result.syscall, path).ThrowAsJavaScriptException();
    return info.Env().Undefined();
  }

  static bool ReadPath(const Napi::Value& value, std::string& out) {
    if (!value.IsTypedArray() || value.As<Napi::TypedArray>().TypedArrayType() != napi_uint8_array) return false;
    const auto bytes = value.As<Napi::Uint8Array>();
    out.assign(reinterpret_cast<const char*>(bytes.Data()), bytes.ByteLength());
    return true;
  }

  Napi::Value List(const Napi::CallbackInfo& info) {
    std::string path;
    if (!ReadPath(info[0], path)) return Misused(info);
    Fd fd;
    const Result result = OpenBelow(root_.get(), path, O_RDONLY | O_DIRECTORY, fd);
    if (!result.ok()) return Throw(info, result, path);
    const std::unique_ptr<DIR, CloseFolder> folder(fdopendir(fd.get()));
    if (!folder) return Throw(info, Failed("fdopendir"), path);
    fd.release();
    Napi::Array names = Napi::Array::New(info.Env());
    uint32_t count = 0;
    for (;;) {
      errno = 0;
      const dirent* entry = readdir(folder.get());
      if (!entry) break;
      if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
      // What is made for a name is released at once: a folder may have millions of them.
      Napi::HandleScope scope(info.Env());
      names.Set(count++, CopyBytes(info.Env(), entry->d_name, strlen(entry->d_name)));
    }
    if (errno != 0) return Throw(info, Failed("readdir"), path);
    return names;
  }

  Napi::Value Open(const Napi::CallbackInfo& info) {
    std::string path;
    if (!ReadPath(info[0], path)) return Misused(info);
    file_ = Fd();
    Fd fd;
    Result result = OpenBelow(root_.get(), path, O_PATH, fd);
    if (!result.ok()) return Throw(info, result, path);
    struct stat status;
    if (fstat(fd.get(), &status) < 0) return Throw(info, Failed("fstat"), path);

    Napi::Env env = info.Env();
    Napi::Object entry = Napi::Object::New(env);
    Napi::Array xattrs = Napi::Array::New(env);
    const std::string self = SelfPath(fd);
    result = ReadXattrs(env, self, xattrs);
    if (!result.ok()) return Throw(info, result, path);
    if (S_ISLNK(status.st_mode)) {
      char target[kMaxTarget];
      const ssize_t length = readlinkat(fd.get(), "", target, sizeof target);
      if (length < 0) return Throw(info, Failed("readlinkat"), path);
      entry.Set("target", CopyBytes(env, target, static_cast<size_t>(length)));
    }
    if (S_ISREG(status.st_mode)) {
      const int opened = open(self.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY);
      if (opened < 0) return Throw(info, Failed("open"), path);
      file_ = Fd(opened);
    }
    Describe(env, status, entry);
    entry.Set("xattrs", xattrs);
    return entry;
  }

  Result ReadXattrs(Napi::Env env, const std::string& self, Napi::Array& out) {
    const ssize_t length = listxattr(self.c_str(), names_.data(), names_.size());
    if (length < 0) return errno == EOPNOTSUPP ? Result{} : Failed("listxattr");
    uint32_t count = 0;
    for (const char* name = names_.data(); name < names_.data() + length; name += strlen(name) + 1) {
      const ssize_t size = getxattr(self.c_str(), name, value_.data(), value_.size());
      if (size < 0) return Failed("getxattr");
      Napi::Object xattr = Napi::Object::New(env);
      xattr.Set("name", CopyBytes(env, name, strlen(name)));
      xattr.Set("value", CopyBytes(env, value_.data(), static_cast<size_t>(size)));
      out.Set(count++, xattr);
    }
    return {};
  }

  static void Describe(Napi::Env env, const struct stat& status, Napi::Object& entry) {
    entry.Set("type", Napi::String::New(env, TypeName(status.st_mode)));
    entry.Set("size", Napi::Number::New(env, static_cast<double>(S_ISREG(status.st_mode) ? status.st_size : 0)));
    entry.Set("mode", Napi::Number::New(env, status.st_mode & kModeBits));
    entry.Set("uid", Napi::Number::New(env, status.st_uid));
    entry.Set("gid", Napi::Number::New(env, status.st_gid));
    entry.Set("mtimeSeconds", Napi::Number::New(env, static_cast<double>(status.st_mtim.tv_sec)));
    entry.Set("mtimeNanoseconds", Napi::Number::New(env, static_cast<double>(status.st_mtim.tv_nsec)));
    entry.Set("devMajor", Napi::Number::New(env, major(status.st_rdev)));
    entry.Set("devMinor", Napi::Number::New(env, minor(status.st_rdev)));
    entry.Set("links", Napi::Number::New(env, static_cast<double>(status.st_nlink)));
    entry.Set("identity", Napi::String::New(env, std::to_string(status.st_dev) + ":" + std::to_string(status.st_ino)));
  }

  Napi::Value Read(const Napi::CallbackInfo& info) {
    if (!info[0].IsTypedArray() || info[0].As<Napi::TypedArray>().TypedArrayType() != napi_uint8_array ||
        !info[1].IsNumber()) {
      return Misused(info);
    }
    auto buffer = info[0].As<Napi::Uint8Array>();
    const int64_t offset = info[1].As<Napi::Number>().Int64Value();
    ssize_t size;
    do {
      size = pread(file_.get(), buffer.Data(), buffer.ByteLength(), offset);
    } while (size < 0 && errno == EINTR);
    if (size < 0) return Throw(info, Failed("pread"), {});
    return Napi::Number::New(info.Env(), static_cast<double>(size));
  }

  Napi::Value NextData(const Napi::CallbackInfo& info) {
    if (!info[0].IsNumber()) return Misused(info);
    const off_t start = lseek(file_.get(), info[0].As<Napi::Number>().Int64Value(), SEEK_DATA);
    // ENXIO: nothing but a hole up to the end.
    if (start < 0 && errno == ENXIO) return info.Env().Undefined();
    if (start < 0) return Throw(info, Failed("lseek"), {});
    const off_t end = lseek(file_.get(), start, SEEK_HOLE);
    if (end < 0) return Throw(info, Failed("lseek"), {});
    Napi::Object stretch = Napi::Object::New(info.Env());
    stretch.Set("offset", Napi::Number::New(info.Env(), static_cast<double>(start)));
    stretch.Set("length", Napi::Number::New(info.Env(), static_cast<double>(end - start)));
    return stretch;
  }

  Napi::Value Close(const Napi::CallbackInfo& info) {
    const Fd root = std::move(root_);
    const Fd file = std::move(file_);
    return info.Env().Undefined();
  }

  // Once closed they are -1, and every call fails with EBADF.
  Fd root_;
  // The regular file opened last.
  Fd file_;
  std::vector<char> names_ = std::vector<char>(kMaxXattr);
  std::vector<char> value_ = std::vector<char>(kMaxXattr);
};

}  // namespace

void InitTreeRead(Napi::Env env, Napi::Object exports) { exports.Set("TreeReader", TreeReader::Define(env)); }

}  // namespace gantry
