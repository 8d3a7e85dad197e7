// Owner, extended attributes, mode and times: chown clears set-user-id bits and file capabilities, so it comes first.
#include <errno.h>
#include <fcntl.h>
#include <sys/xattr.h>

#include <algorithm>

#include "filesystem.h"

namespace gantry::filesystem {

namespace {

constexpr char kOpaque[] = "trusted.overlay.opaque";
// What an overlay that belongs to a user namespace goes by.
constexpr char kUserOpaque[] = "user.overlay.opaque";

void BothTimes(const timespec& mtime, timespec times[2]) {
  times[0] = mtime;
  times[1] = mtime;
}

}  // namespace

Result ApplyMetadata(int fd, const Metadata& metadata) {
  struct stat present;
  if (fstat(fd, &present) < 0) return Failed("fstat");
  bool mayDiffer = (present.st_mode & kModeBits) != metadata.mode;
  if (present.st_uid != metadata.uid || present.st_gid != metadata.gid) {
    if (fchown(fd, metadata.uid, metadata.gid) < 0) return Failed("fchown");
    mayDiffer = true;
  }
  for (const Xattr& xattr : metadata.xattrs) {
    if (fsetxattr(fd, xattr.name.c_str(), xattr.value.data, xattr.value.size, 0) < 0) return Failed("fsetxattr");
    // An access control list has a part of the mode in it.
    mayDiffer = true;
  }
  if (mayDiffer && fchmod(fd, metadata.mode) < 0) return Failed("fchmod");
  timespec times[2];
  BothTimes(metadata.mtime, times);
  if (futimens(fd, times) < 0) return Failed("futimens");
  return {};
}

Result ApplyMetadataAt(const Place& place, const Metadata& metadata) {
  const char* name = place.name.c_str();
  struct stat present;
  if (fstatat(place.parent(), name, &present, AT_SYMLINK_NOFOLLOW) < 0) return Failed("fstatat");
  timespec times[2];
  BothTimes(metadata.mtime, times);
  const bool isLink = S_ISLNK(present.st_mode);
  if (isLink && metadata.xattrs.empty()) {
    if (present.st_uid != metadata.uid || present.st_gid != metadata.gid) {
      if (fchownat(place.parent(), name, metadata.uid, metadata.gid, AT_SYMLINK_NOFOLLOW) < 0) {
        return Failed("fchownat");
      }
    }
    if (utimensat(place.parent(), name, times, AT_SYMLINK_NOFOLLOW) < 0) return Failed("utimensat");
    return {};
  }

  const int opened = openat(place.parent(), name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
  if (opened < 0) return Failed("openat");
  const Fd fd(opened);
  if (fchownat(fd.get(), "", metadata.uid, metadata.gid, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW) < 0) {
    return Failed("fchownat");
  }
  // The descriptor's own magic link leads to the entry itself, never to what a symbolic link names.
  const std::string self = "/proc/self/fd/" + std::to_string(fd.get());
  for (const Xattr& xattr : metadata.xattrs) {
    if (setxattr(self.c_str(), xattr.name.c_str(), xattr.value.data, xattr.value.size, 0) < 0) {
      return Failed("setxattr");
    }
  }
  if (!isLink && chmod(self.c_str(), metadata.mode) < 0) return Failed("chmod");
  if (utimensat(AT_FDCWD, self.c_str(), times, 0) < 0) return Failed("utimensat");
  return {};
}

Result MarkOpaque(int fd) {
  if (fsetxattr(fd, kOpaque, "y", 1, 0) == 0) return {};
  // In a user namespace `trusted` attributes are out of reach.
  if (errno == EPERM && fsetxattr(fd, kUserOpaque, "y", 1, 0) == 0) return {};
  return Failed("fsetxattr");
}

Result FolderTimes::Set(const std::string& path, const timespec& mtime) {
  Result result = CheckPath(path);
  if (!result.ok()) return result;
  const size_t slash = path.rfind('/');
  int parent = root_;
  if (slash != std::string::npos) {
    result = Open(path.substr(0, slash), parent);
    if (result.error == ENOENT || result.error == ENOTDIR || result.error == ELOOP) return {};
    if (!result.ok()) return result;
  }
  const char* name = path.c_str() + (slash == std::string::npos ? 0 : slash + 1);
  struct stat status;
  if (fstatat(parent, name, &status, AT_SYMLINK_NOFOLLOW) < 0) return errno == ENOENT ? Result{} : Failed("fstatat");
  if (!S_ISDIR(status.st_mode)) return {};
  timespec times[2];
  BothTimes(mtime, times);
  if (utimensat(parent, name, times, AT_SYMLINK_NOFOLLOW) < 0) return Failed("utimensat");
  return {};
}

Result FolderTimes::Open(const std::string& path, int& out) {
  const auto depth = static_cast<size_t>(std::count(path.begin(), path.end(), '/'));
  Parent& parent = parents_[std::min(depth, parents_.size() - 1)];
  if (parent.path != path) {
    Fd folder;
    const Result result = OpenInRoot(root_, path, O_PATH | O_DIRECTORY, folder);
    if (!result.ok()) return result;
    parent = {path, std::move(folder)};
  }
  out = parent.fd.get();
  return {};
}

}  // namespace gantry::filesystem
