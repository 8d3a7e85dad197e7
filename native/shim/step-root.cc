// Steps that give the container its root: propagation, overlay or bind, pivot_root.
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "device.h"
#include "filesystem.h"
#include "first-process.h"
#include "overlay.h"
#include "system-calls.h"

namespace gantry {
namespace {

// Devices work only in the container's own /dev: one that an image holds, or a container makes elsewhere, does not
// open.
constexpr uint64_t kRootAttributes = MOUNT_ATTR_NODEV;

Result AttachRoot(FirstProcess& process, Fd mount, Text target) {
  if (process.stage.made()) {
    if (Result result = SetAttributes(mount.get(), kRootAttributes, false); !result.ok()) return result;
    if (Result result = process.stage.EnterWith(mount.get()); !result.ok()) return result;
    process.root = static_cast<Fd&&>(mount);
    return kOk;
  }
  // Over the host's root, if that is the only folder that it is sure to reach.
  if (process.outside) target = {"/", 1};
  Fd folder(open(target.data, O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!folder.valid()) return CallFailure("open", target.data);
  if (Result result = SetAttributes(mount.get(), kRootAttributes, false); !result.ok()) return result;
  if (Result result = Attach(mount.get(), folder.get(), target.data); !result.ok()) return result;
  process.root = static_cast<Fd&&>(mount);
  return kOk;
}

// Standard input has been the host's /dev/null, whose inode the container's root user could change.
void ReopenStandardInput() {
  Fd null(open("/dev/null", O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
  struct stat info;
  if (null.valid() && fstat(null.get(), &info) == 0 && S_ISCHR(info.st_mode) && info.st_rdev == kNullDevice) {
    dup2(null.get(), 0);
  }
}

Result EnterRoot(FirstProcess& process) {
  if (chdir("/") != 0) return CallFailure("chdir", "/");
  process.root = Fd(open("/", O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!process.root.valid()) return CallFailure("open", "/");
  if (!process.hasInput) ReopenStandardInput();
  return kOk;
}

}  // namespace

Result Perform(FirstProcess&, const SetPropagationStep& step) {
  return mount(nullptr, "/", nullptr, step.flags, nullptr) == 0 ? kOk : CallFailure("mount", "/");
}

Result Perform(FirstProcess& process, const RootOverlayStep& step) {
  if (process.outside) {
    Fd mount;
    Result result = ReceiveMount(process, &mount);
    return result.ok() ? AttachRoot(process, static_cast<Fd&&>(mount), step.target) : result;
  }
  OverlayParts parts{step.lower, step.upper, step.work, step.userxattr != 0, step.target.data};
  if (!AppendsLayers()) {
    if (process.stage.made()) return Failure(ENOSYS, "staged", step.target.data);
    Result result = MountClassicOverlay(parts, process.procfs, step.target.data, MS_NODEV);
    if (!result.ok()) return result;
    process.root = Fd(open(step.target.data, O_PATH | O_DIRECTORY | O_CLOEXEC));
    return process.root.valid() ? kOk : CallFailure("open", step.target.data);
  }
  Fd mount;
  Result result = MountOverlay(parts, process.procfs, &mount);
  return result.ok() ? AttachRoot(process, static_cast<Fd&&>(mount), step.target) : result;
}

Result Perform(FirstProcess& process, const RootBindStep& step) {
  if (process.outside) {
    Fd mount;
    Result result = ReceiveMount(process, &mount);
    return result.ok() ? AttachRoot(process, static_cast<Fd&&>(mount), step.target) : result;
  }
  Fd source(open(step.source.data, O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!source.valid()) return CallFailure("open", step.source.data);
  Fd mount;
  Result result = CloneTree(source.get(), true, &mount);
  if (result.ok() && process.stage.made()) result = MakePrivate(mount.get());
  result.path = step.source.data;
  return result.ok() ? AttachRoot(process, static_cast<Fd&&>(mount), step.target) : result;
}

Result Perform(FirstProcess& process, const PivotRootStep& step) {
  if (process.stage.made()) {
    if (Result result = process.stage.BecomeRoot(process.root.get(), &process.mounts); !result.ok()) return result;
    return EnterRoot(process);
  }
  Fd root;
  if (!process.outside) root = Fd(open(step.path.data, O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (fchdir(root.valid() ? root.get() : process.root.get()) != 0) return CallFailure("open", step.path.data);
  Fd old(open("/", O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!old.valid()) return CallFailure("open", "/");
  // The old root comes to lie on the new one and is detached from there. It must not pass the unmount on to the host; what
  // is mounted in the new one may be shared.
  if (PivotRoot(".", ".") != 0) return CallFailure("pivot_root", step.path.data);
  if (fchdir(old.get()) != 0) return CallFailure("fchdir", "/");
  if (mount(nullptr, ".", nullptr, MS_SLAVE | MS_REC, nullptr) != 0) return CallFailure("mount", step.path.data);
  if (umount2(".", MNT_DETACH) != 0) return CallFailure("umount2", step.path.data);
  // Done without where it cannot be had: the exit is then seen later.
  process.mounts = Fd(openat(process.procfs.get(), "self/ns/mnt", O_RDONLY | O_CLOEXEC));
  return EnterRoot(process);
}

Result Perform(FirstProcess& process, const ReadonlyRootStep&) {
  Result result = SetAttributes(process.root.get(), MOUNT_ATTR_RDONLY, false);
  result.path = "/";
  return result;
}

}  // namespace gantry
