#include "tree-copier.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/xattr.h>

#include <memory>

namespace gantry::filesystem {

namespace {

constexpr long kSliceNanoseconds = 10'000'000;
// Of one file between two looks at the clock.
constexpr size_t kPiece = 4 << 20;
// The kernel's own limits: XATTR_LIST_MAX, XATTR_SIZE_MAX and PATH_MAX.
constexpr size_t kMaxXattr = 65536;
constexpr size_t kMaxTarget = 4096;

int64_t Now() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1'000'000'000LL + now.tv_nsec;
}

// Overlayfs's own attributes speak of the stack that the copy is no longer in.
bool IsOverlayXattr(const char* name) {
  return strncmp(name, "trusted.overlay.", 16) == 0 || strncmp(name, "user.overlay.", 13) == 0;
}

// True for what says that a file system, or two of them, cannot do something, not that it went wrong.
bool IsUnable(int error) {
  return error == EOPNOTSUPP || error == EXDEV || error == EINVAL || error == ENOTTY || error == ENOSYS;
}

struct CloseFolder {
  void operator()(DIR* folder) const { closedir(folder); }
};

Result ReadNames(int folder, std::vector<std::string>& out) {
  out.clear();
  const int fd = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return Failed("openat");
  const std::unique_ptr<DIR, CloseFolder> stream(fdopendir(fd));
  if (!stream) return Failed("fdopendir");
  for (;;) {
    errno = 0;
    const dirent* entry = readdir(stream.get());
    if (!entry) return errno == 0 ? Result{} : Failed("readdir");
    if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) out.emplace_back(entry->d_name);
  }
}

Result OpenFolder(const std::string& root, const std::string& path, Fd& out) {
  Fd top(open(root.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!top.valid()) return Failed("open");
  if (!path.empty()) return OpenInRoot(top.get(), path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, out);
  out = std::move(top);
  return {};
}

}  // namespace

TreeCopier::TreeCopier(std::vector<std::string> layers, std::string target, std::string opaque)
    : layers_(std::move(layers)), target_(std::move(target)), opaque_(std::move(opaque)), buffer_(kMaxXattr) {}

Result TreeCopier::Step() {
  const int64_t end = Now() + kSliceNanoseconds;
  do {
    const Result result = Advance();
    if (!result.ok()) return result;
  } while (!progress_.done && Now() < end);
  return {};
}

std::string TreeCopier::Below(const std::string& folder, const std::string& name) {
  return folder.empty() ? name : folder + "/" + name;
}

// The next smallest piece of work.
Result TreeCopier::Advance() {
  if (isCopying_) return ContinueFile();
  if (!begun_) {
    begun_ = true;
    Result result = OpenFolder(target_, "", root_);
    if (!result.ok()) return result;
    Folder all;
    for (size_t i = layers_.size(); i > 0; i--) all.layers.push_back(static_cast<Layer>(i - 1));
    return BeginFolder(std::move(all));
  }
  if (next_ < names_.size()) {
    name_ = names_[next_++];
    return CopyEntry();
  }
  name_.clear();
  if (source_ + 1 < folder_.layers.size()) {
    source_++;
    return OpenSource();
  }
  return EndFolder();
}

Result TreeCopier::BeginFolder(Folder folder) {
  folder_ = std::move(folder);
  source_ = 0;
  seen_.clear();
  children_.clear();
  names_.clear();
  next_ = 0;
  progress_.entries++;
  Result result = OpenFolder(target_, folder_.path, into_);
  if (!result.ok() || folder_.layers.empty()) return result;
  result = OpenSource();
  if (!result.ok()) return result;
  struct stat status;
  if (fstat(from_.get(), &status) < 0) return Failed("fstat");
  return ReadAttributes("/proc/self/fd/" + std::to_string(from_.get()) + "/.", status, folderAttributes_);
}

// Its folders are made and left for later; then nothing changes its times any more.
Result TreeCopier::EndFolder() {
  for (auto& [name, child] : children_) {
    name_ = name;
    if (mkdirat(into_.get(), name.c_str(), 0700) < 0) return Failed("mkdirat");
    pending_.push_back({Below(folder_.path, name), std::move(child.layers)});
  }
  name_.clear();
  if (!folder_.layers.empty()) {
    const Result result = ApplyMetadata(into_.get(), folderAttributes_.metadata);
    if (!result.ok()) return result;
  }
  if (pending_.empty()) {
    progress_.done = true;
    return {};
  }
  Folder next = std::move(pending_.back());
  pending_.pop_back();
  return BeginFolder(std::move(next));
}

Result TreeCopier::OpenSource() {
  const Result result = OpenFolder(layers_[folder_.layers[source_]], folder_.path, from_);
  next_ = 0;
  return result.ok() ? ReadNames(from_.get(), names_) : result;
}

Result TreeCopier::CopyEntry() {
  const bool isNew = folder_.layers.size() == 1 || seen_.insert(name_).second;
  if (!isNew) {
    const auto child = children_.find(name_);
    if (child == children_.end() || !child->second.open) return {};
  }
  struct stat status;
  if (fstatat(from_.get(), name_.c_str(), &status, AT_SYMLINK_NOFOLLOW) < 0) return Failed("fstatat");
  if (S_ISDIR(status.st_mode)) return TakeFolder(isNew);
  if (!isNew) {
    // No folder, and hidden by one: what lies below it is, too.
    children_[name_].open = false;
    return {};
  }
  if (IsWhiteout(status)) return {};
  bool linked = false;
  if (status.st_nlink > 1) {
    const Result result = LinkTwin(status, linked);
    if (!result.ok() || linked) return result;
  }
  progress_.entries++;
  return S_ISREG(status.st_mode) ? BeginFile(status) : CopyNode(status);
}

// A folder, or one more layer's part in one that upper layers have as well.
Result TreeCopier::TakeFolder(bool isNew) {
  Child& child = children_[name_];
  if (isNew) child = {};
  child.layers.push_back(folder_.layers[source_]);
  if (source_ + 1 == folder_.layers.size()) return {};
  char value = 0;
  const ssize_t size = lgetxattr(SourcePath().c_str(), opaque_.c_str(), &value, sizeof value);
  if (size < 0 && errno != ENODATA && errno != ERANGE && errno != EOPNOTSUPP) return Failed("lgetxattr");
  child.open = !(size == 1 && value == 'y');
  return {};
}

Result TreeCopier::CopyNode(const struct stat& status) {
  const char* name = name_.c_str();
  if (S_ISLNK(status.st_mode)) {
    char target[kMaxTarget + 1];
    const ssize_t length = readlinkat(from_.get(), name, target, kMaxTarget);
    if (length < 0) return Failed("readlinkat");
    target[length] = 0;
    if (symlinkat(target, into_.get(), name) < 0) return Failed("symlinkat");
  } else if (mknodat(into_.get(), name, (status.st_mode & S_IFMT) | 0600, status.st_rdev) < 0) {
    return Failed("mknodat");
  }
  Attributes attributes;
  Result result = ReadAttributes(SourcePath(), status, attributes);
  if (!result.ok()) return result;
  Place place;
  place.root = into_.get();
  place.name = name_;
  return ApplyMetadataAt(place, attributes.metadata);
}

// Another name of an inode that has been copied becomes another name of the copy.
Result TreeCopier::LinkTwin(const struct stat& status, bool& linked) {
  const auto key = std::make_tuple(folder_.layers[source_], status.st_dev, status.st_ino);
  const auto [twin, isFirst] = twins_.emplace(key, At());
  linked = !isFirst;
  if (isFirst) return {};
  progress_.entries++;
  return linkat(root_.get(), twin->second.c_str(), into_.get(), name_.c_str(), 0) == 0 ? Result{} : Failed("linkat");
}

Result TreeCopier::BeginFile(const struct stat& status) {
  OpenFile file;
  file.status = status;
  file.from = Fd(openat(from_.get(), name_.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  if (!file.from.valid()) return Failed("openat");
  constexpr int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
  file.to = Fd(openat(into_.get(), name_.c_str(), flags, 0600));
  if (!file.to.valid()) return Failed("openat");
  const Result result = ReadAttributes(SourcePath(), status, file.attributes);
  if (!result.ok()) return result;
  file_ = std::move(file);
  isCopying_ = true;
  if (canClone_ && status.st_size > 0) {
    if (ioctl(file_.to.get(), FICLONE, file_.from.get()) == 0) {
      progress_.cloned++;
      MoveTo(status.st_size);
    } else if (IsUnable(errno)) {
      canClone_ = false;
    } else {
      return Failed("ioctl");
    }
  }
  // As many blocks as bytes: no hole to be looked for.
  if (status.st_blocks * 512 >= status.st_size) file_.dataEnd = status.st_size;
  return ContinueFile();
}

Result TreeCopier::ContinueFile() {
  const off_t size = file_.status.st_size;
  if (file_.offset == file_.dataEnd && file_.offset < size) {
    const off_t start = lseek(file_.from.get(), file_.offset, SEEK_DATA);
    // ENXIO: nothing but a hole up to the end.
    if (start < 0 && errno == ENXIO) {
      MoveTo(size);
      return EndFile();
    }
    if (start < 0) return Failed("lseek");
    const off_t end = lseek(file_.from.get(), start, SEEK_HOLE);
    if (end < 0) return Failed("lseek");
    MoveTo(start);
    file_.dataEnd = end < size ? end : size;
  }
  if (file_.offset >= size) return EndFile();
  const off_t left = file_.dataEnd - file_.offset;
  ssize_t copied = 0;
  const Result result = CopyBytes(left < static_cast<off_t>(kPiece) ? static_cast<size_t>(left) : kPiece, copied);
  if (!result.ok()) return result;
  if (copied == 0) return {EIO, "read"};
  MoveTo(file_.offset + copied);
  return file_.offset >= size ? EndFile() : Result{};
}

void TreeCopier::MoveTo(off_t offset) {
  progress_.bytes += static_cast<uint64_t>(offset - file_.offset);
  file_.offset = offset;
}

Result TreeCopier::CopyBytes(size_t count, ssize_t& copied) {
  if (canCopyRange_) {
    loff_t in = file_.offset;
    loff_t out = file_.offset;
    copied = copy_file_range(file_.from.get(), &in, file_.to.get(), &out, count, 0);
    if (copied > 0) return {};
    // Nothing at all is what some file systems say instead of that they cannot.
    if (copied < 0 && !IsUnable(errno)) return Failed("copy_file_range");
    canCopyRange_ = false;
  }
  do {
    const size_t room = count < buffer_.size() ? count : buffer_.size();
    copied = pread(file_.from.get(), buffer_.data(), room, file_.offset);
  } while (copied < 0 && errno == EINTR);
  if (copied < 0) return Failed("pread");
  return WriteAll(file_.to.get(), {buffer_.data(), static_cast<size_t>(copied)}, file_.offset);
}

Result TreeCopier::EndFile() {
  isCopying_ = false;
  const OpenFile file = std::move(file_);
  file_ = {};
  if (ftruncate(file.to.get(), file.status.st_size) < 0) return Failed("ftruncate");
  return ApplyMetadata(file.to.get(), file.attributes.metadata);
}

// `path` is not followed.
Result TreeCopier::ReadAttributes(const std::string& path, const struct stat& status, Attributes& out) {
  out = {};
  Metadata& metadata = out.metadata;
  metadata.mode = status.st_mode & 07777;
  metadata.uid = status.st_uid;
  metadata.gid = status.st_gid;
  metadata.mtime = status.st_mtim;
  const ssize_t length = llistxattr(path.c_str(), buffer_.data(), buffer_.size());
  if (length < 0 && errno != EOPNOTSUPP) return Failed("llistxattr");
  if (length <= 0) return {};
  const std::string names(buffer_.data(), static_cast<size_t>(length));
  for (const char* name = names.data(); name < names.data() + names.size(); name += strlen(name) + 1) {
    if (IsOverlayXattr(name)) continue;
    const ssize_t size = lgetxattr(path.c_str(), name, buffer_.data(), buffer_.size());
    if (size < 0) return Failed("lgetxattr");
    metadata.xattrs.push_back({name, {}});
    out.values.emplace_back(buffer_.data(), static_cast<size_t>(size));
  }
  for (size_t i = 0; i < out.values.size(); i++) {
    metadata.xattrs[i].value = {out.values[i].data(), out.values[i].size()};
  }
  return {};
}

// The kernel goes from the open folder, so this is never too long.
std::string TreeCopier::SourcePath() const { return "/proc/self/fd/" + std::to_string(from_.get()) + "/" + name_; }

}  // namespace gantry::filesystem
