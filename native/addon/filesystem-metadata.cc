// Owner, extended attributes, mode and times: chown clears set-user-id bits and file capabilities, so it comes first.
#include <errno.h>
#include <fcntl.h>
#include <sys/xattr.h>

#include "filesystem.h"

namespace gantry::filesystem {

namespace {

constexpr char kOpaque[] = "trusted.overlay.opaque";

void BothTimes(const timespec& mtime, timespec times[2]) {
  times[0] = mtime;
  times[1] = mtime;
}

}  // namespace

Result ApplyMetadata(int fd, const Metadata& metadata) {
  if (fchown(fd, metadata.uid, metadata.gid) < 0) return Failed("fchown");
  for (const Xattr& xattr : metadata.xattrs) {
    if (fsetxattr(fd, xattr.name.c_str(), xattr.value.data, xattr.value.size, 0) < 0) return Failed("fsetxattr");
  }
  if (fchmod(fd, metadata.mode) < 0) return Failed("fchmod");
  timespec times[2];
  BothTimes(metadata.mtime, times);
  if (futimens(fd, times) < 0) return Failed("futimens");
  return {};
}

Result ApplyMetadataAt(const Place& place, const Metadata& metadata) {
  const int opened = openat(place.parent(), place.name.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC);
  if (opened < 0) return Failed("openat");
  const Fd fd(opened);
  struct stat status;
  if (fstat(fd.get(), &status) < 0) return Failed("fstat");
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
  if (!S_ISLNK(status.st_mode) && chmod(self.c_str(), metadata.mode) < 0) return Failed("chmod");
  timespec times[2];
  BothTimes(metadata.mtime, times);
  if (utimensat(AT_FDCWD, self.c_str(), times, 0) < 0) return Failed("utimensat");
  return {};
}

Result MarkOpaque(int fd) {
  if (fsetxattr(fd, kOpaque, "y", 1, 0) < 0) return Failed("fsetxattr");
  return {};
}

Result SetFolderTime(int root, const std::string& path, const timespec& mtime) {
  Place place;
  Result result = Resolve(root, path, Parents::kMustExist, place);
  if (result.error == ENOENT || result.error == ENOTDIR || result.error == ELOOP) return {};
  if (!result.ok()) return result;
  struct stat status;
  if (fstatat(place.parent(), place.name.c_str(), &status, AT_SYMLINK_NOFOLLOW) < 0) {
    return errno == ENOENT ? Result{} : Failed("fstatat");
  }
  if (!S_ISDIR(status.st_mode)) return {};
  timespec times[2];
  BothTimes(mtime, times);
  if (utimensat(place.parent(), place.name.c_str(), times, AT_SYMLINK_NOFOLLOW) < 0) return Failed("utimensat");
  return {};
}

}  // namespace gantry::filesystem
