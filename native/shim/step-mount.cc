// Steps that mount and make things inside the root.
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/mount.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "device.h"
#include "filesystem.h"
#include "first-process.h"
#include "in-root.h"
#include "places.h"

namespace gantry {
namespace {

bool IsKernelFilesystem(const char* type) { return strcmp(type, "proc") == 0 || strcmp(type, "sysfs") == 0; }

// Opens an existing path that is to be protected; `out` stays empty if it is absent.
Result OpenProtected(const FirstProcess& process, Text path, Fd* out) {
  Result result = OpenInContainer(process, path.data, 0, out);
  if (result.error == ENOENT || result.error == ENOTDIR) return kOk;
  if (!result.ok() || strncmp(path.data, "/proc/", 6) != 0) return result;
  struct statfs info;
  if (fstatfs(out->get(), &info) != 0) return CallFailure("fstatfs", path.data);
  return info.f_type == PROC_SUPER_MAGIC ? kOk : Failure(EXDEV, "not on procfs", path.data);
}

// Where to mount. Without `links` no part of the path may be one.
Result OpenMountPoint(const FirstProcess& process, const char* path, bool links, Fd* out) {
  Result found = links ? Failure(ENOENT, "") : OpenInContainer(process, path, RESOLVE_NO_SYMLINKS, out);
  return found.error == ENOENT ? OpenOrCreateInContainer(process, path, Kind::kFolder, out) : found;
}

Result OpenNullDevice(FirstProcess& process) {
  if (process.nullDevice.valid()) return kOk;
  Fd null;
  if (Result result = OpenInContainer(process, "/dev/null", 0, &null); !result.ok()) return result;
  struct stat info;
  if (fstat(null.get(), &info) != 0) return CallFailure("fstat", "/dev/null");
  if (!S_ISCHR(info.st_mode) || info.st_rdev != kNullDevice) {
    return Failure(EINVAL, "not the null device", "/dev/null");
  }
  process.nullDevice = static_cast<Fd&&>(null);
  return kOk;
}

Result MaskFile(FirstProcess& process, int target, const char* path) {
  if (Result result = OpenNullDevice(process); !result.ok()) return result;
  Fd mount;
  if (Result result = CloneTree(process.nullDevice.get(), false, &mount); !result.ok()) return result;
  return Attach(mount.get(), target, path);
}

// All folders are masked by one tmpfs: the first mask makes it, the others clone it.
Result MaskFolder(FirstProcess& process, int target, const char* path) {
  Fd mount;
  if (process.emptyFolder.valid()) {
    if (Result result = CloneTree(process.emptyFolder.get(), false, &mount); !result.ok()) return result;
    return Attach(mount.get(), target, path);
  }
  constexpr uint64_t kFlags = MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC;
  constexpr Text kOptions{"mode=0555,nr_inodes=1", 21};
  if (Result result = NewFilesystem("tmpfs", "tmpfs", kOptions, kFlags, &mount); !result.ok()) return result;
  if (Result result = Attach(mount.get(), target, path); !result.ok()) return result;
  process.emptyFolder = static_cast<Fd&&>(mount);
  return kOk;
}

}  // namespace

Result Perform(FirstProcess& process, const BringStep& step) {
  Fd mount;
  if (Result result = OpenInRoot(process.stage.root(), step.path.data, RESOLVE_NO_SYMLINKS, &mount); !result.ok()) return result;
  Fd target;
  if (Result result = OpenMountPoint(process, step.path.data, step.links != 0, &target); !result.ok()) return result;
  return Attach(mount.get(), target.get(), step.path.data);
}

Result Perform(FirstProcess& process, const MountStep& step) {
  Fd target;
  // A link in the way of /proc or /sys would leave the masks that rely on them elsewhere.
  bool links = !IsKernelFilesystem(step.type.data);
  if (Result found = OpenMountPoint(process, step.target.data, links, &target); !found.ok()) return found;
  Fd mount;
  Result result = NewFilesystem(step.type.data, step.source.data, step.data, step.flags, &mount);
  result.path = step.target.data;
  if (result.ok()) result = Attach(mount.get(), target.get(), step.target.data);
  if (result.ok()) Pin(process, step.target.data, static_cast<Fd&&>(mount));
  return result;
}

Result Perform(FirstProcess& process, const MaskStep& step) {
  Fd target;
  if (Result result = OpenProtected(process, step.path, &target); !result.ok()) return result;
  if (!target.valid()) return kOk;
  struct stat info;
  if (fstat(target.get(), &info) != 0) return CallFailure("fstat", step.path.data);
  return S_ISDIR(info.st_mode) ? MaskFolder(process, target.get(), step.path.data)
                               : MaskFile(process, target.get(), step.path.data);
}

Result Perform(FirstProcess& process, const ReadonlyPathStep& step) {
  Fd target;
  if (Result result = OpenProtected(process, step.path, &target); !result.ok()) return result;
  if (!target.valid()) return kOk;
  Fd mount;
  Result result = CloneTree(target.get(), true, &mount);
  if (result.ok()) result = SetAttributes(mount.get(), MOUNT_ATTR_RDONLY, true);
  result.path = step.path.data;
  return result.ok() ? Attach(mount.get(), target.get(), step.path.data) : result;
}

Result Perform(FirstProcess& process, const MakeFolderStep& step) {
  Fd folder;
  return OpenOrCreateInContainer(process, step.path.data, Kind::kFolder, &folder);
}

}  // namespace gantry
