#include "idmapped-root.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "filesystem.h"
#include "overlay.h"
#include "rights.h"
#include "system-calls.h"
#include "text-buffer.h"

namespace gantry {
namespace {

Result OpenUserNamespace(pid_t process, Fd* out) {
  TextBuffer<32> path;
  path.Add("/proc/").AddSigned(process).Add("/ns/user");
  *out = Fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  return out->valid() ? kOk : CallFailure("open", "/proc/<pid>/ns/user");
}

// A private clone of the mount at `path`, idmapped.
Result CloneIdmapped(const char* path, bool recursive, const Fd& users, Fd* mount) {
  Fd source(open(path, O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!source.valid()) return CallFailure("open", path);
  Result result = CloneTree(source.get(), recursive, mount);
  if (result.ok()) {
    mount_attr change{};
    change.attr_set = MOUNT_ATTR_IDMAP;
    change.propagation = MS_PRIVATE;
    change.userns_fd = static_cast<uint64_t>(users.get());
    unsigned flags = AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0);
    if (MountSetAttributes(mount->get(), flags, &change) != 0) result = CallFailure("idmap");
  }
  result.path = path;
  return result;
}

// A place for a mount that an overlay is to be made of: the kernel takes none that is attached nowhere.
Result AttachAt(const Fd& place, const char* name, const Fd& mount) {
  if (mkdirat(place.get(), name, 0700) != 0) return CallFailure("mkdir");
  Fd folder(openat(place.get(), name, O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!folder.valid()) return CallFailure("open");
  return Attach(mount.get(), folder.get(), "");
}

// setfsuid(2) and setfsgid(2) tell of no error, but what it was before: asked again, for what is no id, what it is.
bool TakesForFiles(long call, uint32_t id) {
  syscall(call, id);
  return static_cast<uint32_t>(syscall(call, UINT32_MAX)) == id;
}

// Makes files as the namespace's root, with the privileges that are lost by that: so will the overlay, for good, and
// whoever has no id there may make none.
Result BecomeMaker(uint32_t uid, uint32_t gid) {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2];
  if (syscall(SYS_capget, &header, data) != 0) return CallFailure("capget");
  if (!TakesForFiles(SYS_setfsgid, gid)) return Failure(EPERM, "setfsgid");
  if (!TakesForFiles(SYS_setfsuid, uid)) return Failure(EPERM, "setfsuid");
  for (auto& half : data) half.effective = half.permitted;
  return syscall(SYS_capset, &header, data) == 0 ? kOk : CallFailure("capset");
}

// In a process and a mount namespace of its own.
Result Compose(const RootOverlayStep& step, const Fd& users, uint32_t uid, uint32_t gid, Fd* mount) {
  if (unshare(CLONE_NEWNS) != 0) return CallFailure("unshare");
  if (::mount(nullptr, "/", nullptr, MS_PRIVATE | MS_REC, nullptr) != 0) return CallFailure("mount", "/");
  const char* slash = strrchr(step.upper.data, '/');
  const char* workSlash = strrchr(step.work.data, '/');
  size_t size = slash == nullptr ? 0 : static_cast<size_t>(slash - step.upper.data);
  if (size == 0 || workSlash == nullptr || static_cast<size_t>(workSlash - step.work.data) != size ||
      memcmp(step.upper.data, step.work.data, size) != 0) {
    return Failure(EINVAL, "upper and work are in different folders", step.upper.data);
  }
  TextBuffer<4095> folder;
  folder.Add(step.upper.data, size);

  // What is idmapped is cloned before anything lies over it.
  Fd writable;
  if (Result result = CloneIdmapped(folder.c_str(), false, users, &writable); !result.ok()) {
    return Failure(result.error, result.detail, step.upper.data);
  }
  Fd target(open(step.target.data, O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!target.valid()) return CallFailure("open", step.target.data);
  Fd place;
  constexpr Text kOptions{"mode=0700", 9};
  if (Result result = NewFilesystem("tmpfs", "tmpfs", kOptions, 0, &place); !result.ok()) return result;
  if (Result result = Attach(place.get(), target.get(), step.target.data); !result.ok()) return result;

  FieldReader lower(step.lower);
  OverlayNames names;
  for (uint32_t i = 0; i < step.lower.count; i++) {
    Text path;
    lower.Read(&path);
    Fd layer;
    if (Result result = CloneIdmapped(path.data, false, users, &layer); !result.ok()) return result;
    TextBuffer<12> name;
    name.AddNumber(i);
    if (Result result = AttachAt(place, name.c_str(), layer); !result.ok()) return result;
  }
  if (Result result = AttachAt(place, "w", writable); !result.ok()) return result;
  TextBuffer<300> upper;
  TextBuffer<300> work;
  upper.Add("w").Add(slash);
  work.Add("w").Add(workSlash);
  if (upper.full() || work.full()) return Failure(ENAMETOOLONG, "upper", step.upper.data);
  names = {step.lower.count, upper.c_str(), work.c_str()};
  if (fchdir(place.get()) != 0) return CallFailure("chdir", step.target.data);
  if (Result result = BecomeMaker(uid, gid); !result.ok()) return result;
  Result result = MountOverlayHere(names, step.userxattr != 0, mount);
  return result.ok() ? kOk : Failure(result.error, result.detail, step.target.data);
}

// What went wrong in the other process, whose texts are its own.
struct Report {
  int error = 0;
  char call[160];
  char path[320];
};

void CopyText(char* to, size_t room, const char* from) {
  size_t size = strlen(from);
  if (size >= room) size = room - 1;
  memcpy(to, from, size);
  to[size] = 0;
}

}  // namespace

Result MakeIdmappedOverlay(const RootOverlayStep& step, pid_t process, uint32_t uid, uint32_t gid, Fd* mount) {
  Fd users;
  if (Result result = OpenUserNamespace(process, &users); !result.ok()) return result;
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) return CallFailure("socketpair");
  Fd ours(pair[0]);
  Fd theirs(pair[1]);
  pid_t maker = fork();
  if (maker < 0) return CallFailure("fork");
  if (maker == 0) {
    Report report;
    Result result = Compose(step, users, uid, gid, mount);
    report.error = result.error;
    CopyText(report.call, sizeof report.call, result.detail);
    CopyText(report.path, sizeof report.path, result.path);
    if (result.ok()) {
      SendWithRight(theirs.get(), &report, sizeof report, MSG_NOSIGNAL, mount->get());
    } else {
      send(theirs.get(), &report, sizeof report, MSG_NOSIGNAL);
    }
    _exit(0);
  }
  theirs.Close();
  static Report report;
  ssize_t size = ReceiveWithRights(ours.get(), &report, sizeof report, 0, mount, 1);
  while (waitpid(maker, nullptr, 0) < 0 && errno == EINTR) {
  }
  if (size != sizeof report) return Failure(ESRCH, "the process that mounts was killed", step.target.data);
  return report.error == 0 ? kOk : Failure(report.error, report.call, report.path);
}

Result MakeIdmappedBind(const RootBindStep& step, pid_t process, Fd* mount) {
  Fd users;
  if (Result result = OpenUserNamespace(process, &users); !result.ok()) return result;
  return CloneIdmapped(step.source.data, true, users, mount);
}

}  // namespace gantry
