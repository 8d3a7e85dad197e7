// Steps that give the container files which are in memory alone: what they hold comes with the plan, and no path of the
// host ever leads to it.
#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "filesystem.h"
#include "first-process.h"
#include "places.h"
#include "system-calls.h"

namespace gantry {
namespace {

constexpr uint64_t kAttributes = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;

Result Write(int file, Blob content) {
  for (uint32_t done = 0; done < content.size;) {
    ssize_t size = write(file, content.bytes + done, content.size - done);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return CallFailure("write");
    done += static_cast<uint32_t>(size);
  }
  return kOk;
}

// Of a mount that is nowhere, only the whole can be cloned; so it lies on the root for that long.
Result CloneFile(const FirstProcess& process, int folder, const char* name, Fd* mount) {
  if (Result result = Attach(folder, process.root.get(), "/"); !result.ok()) return result;
  Fd file(openat(folder, name, O_PATH | O_NOFOLLOW | O_CLOEXEC));
  Result result = file.valid() ? CloneTree(file.get(), false, mount) : CallFailure("open", name);
  if (fchdir(folder) != 0 || umount2(".", MNT_DETACH) != 0) return CallFailure("umount2", "/");
  return result;
}

}  // namespace

Result Perform(FirstProcess& process, const MemoryFolderStep& step) {
  Fd mount;
  if (Result result = NewFilesystem("ramfs", "secret", {"mode=0700", 9}, 0, &mount); !result.ok()) return result;
  if (fchownat(mount.get(), "", step.uid, step.gid, AT_EMPTY_PATH) != 0) return CallFailure("fchownat");
  Fd folder(openat(mount.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!folder.valid() || fchmod(folder.get(), step.mode) != 0) return CallFailure("fchmod");
  process.memory = static_cast<Fd&&>(mount);
  return kOk;
}

Result Perform(FirstProcess& process, const MemoryFileStep& step) {
  if (strchr(step.name.data, '/') != nullptr) return Failure(EINVAL, "name", step.name.data);
  int flags = O_CREAT | O_EXCL | O_NOFOLLOW | O_WRONLY | O_CLOEXEC;
  Fd file(openat(process.memory.get(), step.name.data, flags, 0600));
  if (!file.valid()) return CallFailure("open", step.name.data);
  Result result = Write(file.get(), step.content);
  if (result.ok() && fchown(file.get(), step.uid, step.gid) != 0) result = CallFailure("fchown");
  if (result.ok() && fchmod(file.get(), step.mode) != 0) result = CallFailure("fchmod");
  result.path = step.name.data;
  return result;
}

Result Perform(FirstProcess& process, const MemoryMountStep& step) {
  Fd mount = static_cast<Fd&&>(process.memory);
  bool whole = step.file.empty();
  if (!whole) {
    Fd file;
    Result result = CloneFile(process, mount.get(), step.file.data, &file);
    if (!result.ok()) return result;
    mount = static_cast<Fd&&>(file);
  }
  Result result = SetAttributes(mount.get(), kAttributes, false);
  Fd target;
  if (result.ok()) {
    result = OpenOrCreateInContainer(process, step.target.data, whole ? Kind::kFolder : Kind::kFile, &target);
  }
  result.path = step.target.data;
  return result.ok() ? Attach(mount.get(), target.get(), step.target.data) : result;
}

}  // namespace gantry
