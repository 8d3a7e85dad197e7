#include "stage.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/syscall.h>

#include "field.h"
#include "filesystem.h"
#include "first-process.h"
#include "system-calls.h"

namespace gantry {
namespace {

constexpr char kMounts[] = "self/ns/mnt";

Result OpenMounts(const Fd& procfs, Fd* out) {
  *out = Fd(openat(procfs.get(), kMounts, O_RDONLY | O_CLOEXEC));
  return out->valid() ? kOk : CallFailure("open", "/proc/self/ns/mnt");
}

Result OpenRoot(Fd* out) {
  *out = Fd(open("/", O_PATH | O_DIRECTORY | O_CLOEXEC));
  return out->valid() ? kOk : CallFailure("open", "/");
}

Result Join(const Fd& mounts) {
  return syscall(SYS_setns, mounts.get(), CLONE_NEWNS) == 0 ? kOk : CallFailure("setns");
}

Result ChangeRoot(int folder) {
  return fchdir(folder) == 0 && syscall(SYS_chroot, ".") == 0 ? kOk : CallFailure("chroot");
}

// Has an empty file system be all that is mounted.
Result LeaveOldRoot() {
  constexpr uint64_t kFlags = MS_NOSUID | MS_NODEV | MS_NOEXEC;
  constexpr Text kOptions{"mode=0755", 9};
  Fd mount;
  Fd old;
  if (Result result = NewFilesystem("tmpfs", "tmpfs", kOptions, kFlags, &mount); !result.ok()) return result;
  if (Result result = OpenRoot(&old); !result.ok()) return result;
  if (Result result = Attach(mount.get(), old.get(), "/"); !result.ok()) return result;
  if (fchdir(mount.get()) != 0) return CallFailure("fchdir");
  if (PivotRoot(".", ".") != 0) return CallFailure("pivot_root");
  if (umount2(".", MNT_DETACH) != 0) return CallFailure("umount2");
  return chdir("/") == 0 ? kOk : CallFailure("chdir", "/");
}

}  // namespace

Result Stage::Make(const Fd& procfs) {
  if (made()) return Failure(EPROTO, "a second stage");
  if (Result result = OpenRoot(&hostRoot_); !result.ok()) return result;
  Fd hostMounts;
  if (Result result = OpenMounts(procfs, &hostMounts); !result.ok()) return result;
  if (unshare(CLONE_NEWNS) != 0) return CallFailure("unshare");
  if (mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) return CallFailure("mount", "/");
  if (Result result = OpenMounts(procfs, &ownMounts_); !result.ok()) return result;
  if (Result result = LeaveOldRoot(); !result.ok()) return result;
  hostMounts_ = static_cast<Fd&&>(hostMounts);
  return OpenRoot(&root_);
}

Result Stage::Leave() {
  if (!made()) return kOk;
  if (Result result = Join(hostMounts_); !result.ok()) return result;
  return ChangeRoot(hostRoot_.get());
}

Result Stage::Enter() { return made() ? Join(ownMounts_) : kOk; }

Result Stage::EnterWith(int mount) {
  if (Result result = Enter(); !result.ok()) return result;
  return Attach(mount, root_.get(), "/");
}

Result Stage::BecomeRoot(int mount, Fd* ownMounts) {
  *ownMounts = static_cast<Fd&&>(ownMounts_);
  *this = {};
  return ChangeRoot(mount);
}

Result Perform(FirstProcess& process, const StageStep&) {
  if (Result result = process.stage.Make(process.procfs); !result.ok()) return result;
  process.root = Fd(open("/", O_PATH | O_DIRECTORY | O_CLOEXEC));
  return process.root.valid() ? kOk : CallFailure("open", "/");
}

}  // namespace gantry
