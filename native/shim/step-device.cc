// Steps that make entries of /dev.
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#include "device.h"
#include "filesystem.h"
#include "first-process.h"
#include "places.h"

namespace gantry {
namespace {

Result BindDevice(FirstProcess& process, const DeviceStep& step) {
  Fd mount;
  Result result = process.outside ? ReceiveMount(process, &mount) : CloneDevice(step, &mount);
  if (!result.ok()) return result;
  Fd target;
  result = OpenOrCreateInContainer(process, step.path.data, Kind::kFile, &target);
  return result.ok() ? Attach(mount.get(), target.get(), step.path.data) : result;
}

}  // namespace

Result Perform(FirstProcess& process, const DeviceStep& step) {
  if (step.type != S_IFCHR && step.type != S_IFBLK && step.type != S_IFIFO) {
    return Failure(EINVAL, "type", step.path.data);
  }
  if (step.major > kMaxMajor || step.minor > kMaxMinor) return Failure(EINVAL, "device number", step.path.data);
  if (!step.host.empty()) return BindDevice(process, step);
  Fd parent;
  const char* name;
  if (Result result = OpenParentInContainer(process, step.path.data, &parent, &name); !result.ok()) return result;
  if (mknodat(parent.get(), name, step.type | (step.mode & 07777), DeviceNumber(step.major, step.minor)) != 0) {
    return CallFailure("mknod", step.path.data);
  }
  if ((step.uid != 0 || step.gid != 0) && fchownat(parent.get(), name, step.uid, step.gid, AT_SYMLINK_NOFOLLOW) != 0) {
    return CallFailure("chown", step.path.data);
  }
  return kOk;
}

Result Perform(FirstProcess& process, const SymlinkStep& step) {
  Fd parent;
  const char* name;
  if (Result result = OpenParentInContainer(process, step.path.data, &parent, &name); !result.ok()) return result;
  if (symlinkat(step.target.data, parent.get(), name) == 0) return kOk;
  Result failure = CallFailure("symlink", step.path.data);
  if (failure.error != EEXIST) return failure;
  char target[PATH_MAX];
  ssize_t size = readlinkat(parent.get(), name, target, sizeof target);
  bool same = size == static_cast<ssize_t>(step.target.size) && memcmp(target, step.target.data, step.target.size) == 0;
  return same ? kOk : failure;
}

}  // namespace gantry
