// The addon's RootDirectory: one open folder and the entries made below it.
#include "filesystem.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include <algorithm>

#include "blob-reader.h"

namespace gantry {

namespace {

using filesystem::Bytes;
using filesystem::Metadata;
using filesystem::Place;
using filesystem::Result;

bool ReadBytes(const Napi::Value& value, Bytes& out) {
  if (!value.IsTypedArray() || value.As<Napi::TypedArray>().TypedArrayType() != napi_uint8_array) return false;
  const auto view = value.As<Napi::Uint8Array>();
  out = {view.Data(), view.ByteLength()};
  return true;
}

bool ReadPath(const Napi::Value& value, std::string& out) {
  Bytes bytes;
  if (!ReadBytes(value, bytes)) return false;
  out.assign(static_cast<const char*>(bytes.data), bytes.size);
  return true;
}

bool ReadXattrs(const Napi::Value& value, std::vector<filesystem::Xattr>& out) {
  if (!value.IsArray()) return false;
  const auto list = value.As<Napi::Array>();
  for (uint32_t i = 0; i < list.Length(); i++) {
    const Napi::Value item = list[i];
    filesystem::Xattr xattr;
    if (!item.IsObject() || !ReadPath(item.As<Napi::Object>().Get("name"), xattr.name) ||
        !ReadBytes(item.As<Napi::Object>().Get("value"), xattr.value)) {
      return false;
    }
    out.push_back(std::move(xattr));
  }
  return true;
}

bool ReadNumber(const Napi::Value& value, int64_t& out) {
  if (!value.IsNumber()) return false;
  out = value.As<Napi::Number>().Int64Value();
  return true;
}

// Nothing is converted: in a worker thread that is being ended a conversion fails, without a value that the next call could take.
bool IsTrue(const Napi::Value& value) { return value.IsBoolean() && value.As<Napi::Boolean>().Value(); }

bool ReadMetadata(const Napi::Value& value, Metadata& out) {
  if (!value.IsObject()) return false;
  const auto object = value.As<Napi::Object>();
  int64_t mode, uid, gid, seconds, nanoseconds;
  if (!ReadNumber(object.Get("mode"), mode) || !ReadNumber(object.Get("uid"), uid) ||
      !ReadNumber(object.Get("gid"), gid) || !ReadNumber(object.Get("mtimeSeconds"), seconds) ||
      !ReadNumber(object.Get("mtimeNanoseconds"), nanoseconds)) {
    return false;
  }
  out.mode = static_cast<mode_t>(mode) & filesystem::kModeBits;
  out.uid = static_cast<uid_t>(uid);
  out.gid = static_cast<gid_t>(gid);
  out.mtime = {static_cast<time_t>(seconds), static_cast<long>(nanoseconds)};
  return ReadXattrs(object.Get("xattrs"), out.xattrs);
}

Napi::Value Misused(const Napi::CallbackInfo& info) {
  // A getter of the caller's may have thrown already.
  if (!info.Env().IsExceptionPending()) {
    Napi::TypeError::New(info.Env(), "arguments of the wrong type for a call of RootDirectory")
        .ThrowAsJavaScriptException();
  }
  return info.Env().Undefined();
}

// The number of missing folders made, or an exception.
Napi::Value Finish(const Napi::CallbackInfo& info, const Result& result, const std::string& path, uint32_t made) {
  if (result.ok()) return Napi::Number::New(info.Env(), made);
  SystemError(info.Env(), result.error, result.syscall, path).ThrowAsJavaScriptException();
  return info.Env().Undefined();
}

class RootDirectory : public Napi::ObjectWrap<RootDirectory> {
 public:
  static Napi::Function Define(Napi::Env env) {
    return DefineClass(env, "RootDirectory",
                       {InstanceMethod<&RootDirectory::Folder>("folder"), InstanceMethod<&RootDirectory::File>("file"),
                        InstanceMethod<&RootDirectory::BeginFile>("beginFile"),
                        InstanceMethod<&RootDirectory::WriteFile>("writeFile"),
                        InstanceMethod<&RootDirectory::EndFile>("endFile"),
                        InstanceMethod<&RootDirectory::Symlink>("symlink"),
                        InstanceMethod<&RootDirectory::HardLink>("hardLink"),
                        InstanceMethod<&RootDirectory::Device>("device"), InstanceMethod<&RootDirectory::Fifo>("fifo"),
                        InstanceMethod<&RootDirectory::Whiteout>("whiteout"),
                        InstanceMethod<&RootDirectory::Opaque>("opaque"),
                        InstanceMethod<&RootDirectory::FolderTimes>("folderTimes"),
                        InstanceMethod<&RootDirectory::Remove>("remove"),
                        InstanceMethod<&RootDirectory::WriteBehind>("writeBehind"),
                        InstanceMethod<&RootDirectory::Close>("close")});
  }

  explicit RootDirectory(const Napi::CallbackInfo& info) : Napi::ObjectWrap<RootDirectory>(info) {
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
    if (IsTrue(info[1])) in_the_way_ = filesystem::InTheWay::kRemoveEntry;
  }

 private:
  filesystem::Root root() const { return {root_.get(), in_the_way_}; }

  Napi::Value Folder(const Napi::CallbackInfo& info) {
    std::string path;
    Metadata metadata;
    if (!ReadPath(info[0], path) || !ReadMetadata(info[1], metadata)) return Misused(info);
    uint32_t made = 0;
    return Finish(info, filesystem::CreateFolder(root(), path, metadata, made), path, made);
  }

  Napi::Value File(const Napi::CallbackInfo& info) {
    std::string path;
    Bytes body;
    Metadata metadata;
    if (!ReadPath(info[0], path) || !ReadBytes(info[1], body) || !ReadMetadata(info[2], metadata)) {
      return Misused(info);
    }
    uint32_t made = 0;
    NewFile file;
    const mode_t mode = metadata.mode & filesystem::kPlainModeBits;
    Result result = filesystem::CreateFile(root(), path, mode, file.fd, made);
    if (!result.ok()) return Finish(info, result, path, made);
    file.body = body;
    // Values of attributes are JavaScript's, and may move.
    const bool mayWait = behind_ && metadata.xattrs.empty();
    file.metadata = std::move(metadata);
    file.path = std::move(path);
    if (!mayWait || !behind_->FinishLater(file)) result = gantry::Finish(file);
    return Finish(info, result, file.path, made);
  }

  Napi::Value BeginFile(const Napi::CallbackInfo& info) {
    std::string path;
    if (!ReadPath(info[0], path)) return Misused(info);
    uint32_t made = 0;
    Fd fd;
    const Result result = filesystem::CreateFile(root(), path, 0600, fd, made);
    file_ = std::move(fd);
    return Finish(info, result, path, made);
  }

  Napi::Value WriteFile(const Napi::CallbackInfo& info) {
    Bytes bytes;
    int64_t offset;
    if (!ReadBytes(info[0], bytes) || !ReadNumber(info[1], offset)) return Misused(info);
    return Finish(info, filesystem::WriteAll(file_.get(), bytes, offset), {}, 0);
  }

  Napi::Value EndFile(const Napi::CallbackInfo& info) {
    int64_t size;
    Metadata metadata;
    if (!ReadNumber(info[0], size) || !ReadMetadata(info[1], metadata)) return Misused(info);
    const Fd fd = std::move(file_);
    Result result;
    if (ftruncate(fd.get(), size) < 0) result = filesystem::Failed("ftruncate");
    if (result.ok()) result = filesystem::ApplyMetadata(fd.get(), metadata);
    return Finish(info, result, {}, 0);
  }

  Napi::Value Symlink(const Napi::CallbackInfo& info) {
    std::string path, target;
    Metadata metadata;
    if (!ReadPath(info[0], path) || !ReadPath(info[1], target) || !ReadMetadata(info[2], metadata)) {
      return Misused(info);
    }
    uint32_t made = 0;
    return Finish(info, filesystem::CreateSymlink(root(), path, target.c_str(), metadata, made), path, made);
  }

  Napi::Value HardLink(const Napi::CallbackInfo& info) {
    std::string path, target;
    if (!ReadPath(info[0], path) || !ReadPath(info[1], target)) return Misused(info);
    uint32_t made = 0;
    return Finish(info, filesystem::CreateHardLink(root(), path, target, made), path, made);
  }

  Napi::Value Device(const Napi::CallbackInfo& info) {
    std::string path;
    int64_t major, minor;
    Metadata metadata;
    if (!ReadPath(info[0], path) || !info[1].IsString() || !ReadNumber(info[2], major) ||
        !ReadNumber(info[3], minor) || !ReadMetadata(info[4], metadata)) {
      return Misused(info);
    }
    const mode_t type = info[1].As<Napi::String>().Utf8Value() == "block" ? S_IFBLK : S_IFCHR;
    const dev_t device = makedev(static_cast<unsigned>(major), static_cast<unsigned>(minor));
    uint32_t made = 0;
    return Finish(info, filesystem::CreateNode(root(), path, type, device, metadata, made), path, made);
  }

  Napi::Value Fifo(const Napi::CallbackInfo& info) {
    std::string path;
    Metadata metadata;
    if (!ReadPath(info[0], path) || !ReadMetadata(info[1], metadata)) return Misused(info);
    uint32_t made = 0;
    return Finish(info, filesystem::CreateNode(root(), path, S_IFIFO, 0, metadata, made), path, made);
  }

  Napi::Value Whiteout(const Napi::CallbackInfo& info) {
    std::string path;
    if (!ReadPath(info[0], path)) return Misused(info);
    uint32_t made = 0;
    return Finish(info, filesystem::CreateWhiteout(root_.get(), path, made), path, made);
  }

  Napi::Value Opaque(const Napi::CallbackInfo& info) {
    std::string path;
    if (!ReadPath(info[0], path)) return Misused(info);
    uint32_t made = 0;
    return Finish(info, filesystem::CreateOpaque(root_.get(), path, made), path, made);
  }

  Napi::Value FolderTimes(const Napi::CallbackInfo& info) {
    Bytes paths;
    if (!ReadBytes(info[0], paths) || !info[1].IsTypedArray() ||
        info[1].As<Napi::TypedArray>().TypedArrayType() != napi_float64_array) {
      return Misused(info);
    }
    const auto times = info[1].As<Napi::Float64Array>();
    const char* next = static_cast<const char*>(paths.data);
    const char* const end = next + paths.size;
    filesystem::FolderTimes folders(root_.get());
    for (size_t i = 0; i + 1 < times.ElementLength(); i += 2) {
      const char* const stop = std::find(next, end, '\0');
      const std::string path(next, stop);
      const timespec mtime = {static_cast<time_t>(times[i]), static_cast<long>(times[i + 1])};
      const Result result = folders.Set(path, mtime);
      if (!result.ok()) return Finish(info, result, path, 0);
      next = stop == end ? end : stop + 1;
    }
    return info.Env().Undefined();
  }

  Napi::Value Remove(const Napi::CallbackInfo& info) {
    std::string path;
    if (!ReadPath(info[0], path)) return Misused(info);
    Place place;
    Result result = filesystem::Resolve(root_.get(), path, filesystem::Parents::kMustExist, place);
    if (result.ok()) result = filesystem::Remove(place.parent(), place.name.c_str());
    return Finish(info, result, path, 0);
  }

  Napi::Value WriteBehind(const Napi::CallbackInfo& info) {
    auto reader = BlobReaderOf(info[0]);
    if (!reader) return Misused(info);
    behind_ = std::move(reader);
    return info.Env().Undefined();
  }

  Napi::Value Close(const Napi::CallbackInfo& info) {
    behind_.reset();
    const Fd root = std::move(root_);
    const Fd file = std::move(file_);
    return info.Env().Undefined();
  }

  std::shared_ptr<BlobReader> behind_;
  // Once closed they are -1, and every call fails with EBADF.
  Fd root_;
  Fd file_;
  filesystem::InTheWay in_the_way_ = filesystem::InTheWay::kRemoveTree;
};

Napi::Value IsOpaque(const Napi::CallbackInfo& info) {
  std::string path;
  if (!ReadPath(info[0], path)) return Misused(info);
  const char* name = IsTrue(info[1]) ? "user.overlay.opaque" : "trusted.overlay.opaque";
  char value = 0;
  const ssize_t size = lgetxattr(path.c_str(), name, &value, sizeof value);
  // ERANGE: a longer value, which overlayfs does not take for one either.
  if (size < 0 && errno != ENODATA && errno != ERANGE && errno != EOPNOTSUPP) {
    SystemError(info.Env(), errno, "lgetxattr", path).ThrowAsJavaScriptException();
    return info.Env().Undefined();
  }
  return Napi::Boolean::New(info.Env(), size == 1 && value == 'y');
}

}  // namespace

void InitFilesystem(Napi::Env env, Napi::Object exports) {
  exports.Set("RootDirectory", RootDirectory::Define(env));
  exports.Set("isOpaque", Napi::Function::New<IsOpaque>(env, "isOpaque"));
}

}  // namespace gantry
