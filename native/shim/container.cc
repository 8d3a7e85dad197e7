#include "container.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "channel.h"
#include "first-process.h"
#include "process-identity.h"
#include "system-calls.h"

namespace gantry {
namespace {

constexpr uint64_t kNamespaces =
    CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWNET | CLONE_NEWCGROUP | CLONE_NEWUSER;

// Only our end does not block: the container's own must when the pipe is full, or empty.
Result MakePipe(Fd* ours, int oursIs, Fd* theirs) {
  int pair[2];
  if (pipe2(pair, O_CLOEXEC) != 0) return CallFailure("pipe2");
  *ours = Fd(pair[oursIs]);
  *theirs = Fd(pair[1 - oursIs]);
  return fcntl(pair[oursIs], F_SETFL, O_NONBLOCK) == 0 ? kOk : CallFailure("fcntl");
}

constexpr int kReading = 0;
constexpr int kWriting = 1;

// Has what the caller clones be in a pid namespace, with the scope.
class ChildrenIn {
 public:
  Result Enter(pid_t parent, uint64_t startTime) {
    Fd procfs;
    Fd process;
    if (Result result = OpenProcfs(&procfs); !result.ok()) return result;
    if (Result result = OpenProcess(procfs, parent, startTime, &process); !result.ok()) return result;
    own_ = Fd(open("/proc/self/ns/pid", O_RDONLY | O_CLOEXEC));
    if (!own_.valid()) return CallFailure("open", "/proc/self/ns/pid");
    return JoinNamespaceOf(process, "pid", CLONE_NEWPID);
  }
  // The own namespace can always be gone back to.
  ~ChildrenIn() {
    if (own_.valid()) syscall(SYS_setns, own_.get(), CLONE_NEWPID);
  }

 private:
  Fd own_;
};

// Enters the namespaces of the parent, and clones there a child of the shim, whose id comes to `shared`. Returns in the
// clone only. Not for the shim itself, which could not leave a user namespace.
Result CloneInParent(const CloneMessage& clone, clone_args arguments, pid_t* shared) {
  if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) return CallFailure("prctl");
  Fd procfs;
  Fd process;
  if (Result result = OpenProcfs(&procfs); !result.ok()) return result;
  if (Result result = OpenProcess(procfs, clone.parent, clone.parentStartTime, &process); !result.ok()) return result;
  // Both before the first is joined: from inside it the other might not be opened any more.
  Fd users(openat(process.get(), "ns/user", O_RDONLY | O_CLOEXEC));
  Fd pids(openat(process.get(), "ns/pid", O_RDONLY | O_CLOEXEC));
  if (!users.valid() || !pids.valid()) return CallFailure("open", "/proc/<pid>/ns");
  if (syscall(SYS_setns, users.get(), CLONE_NEWUSER) != 0) return CallFailure("setns", "user");
  if ((clone.parentNamespaces & CLONE_NEWPID) != 0 && syscall(SYS_setns, pids.get(), CLONE_NEWPID) != 0) {
    return CallFailure("setns", "pid");
  }
  arguments.flags = (arguments.flags & ~uint64_t{CLONE_PIDFD}) | CLONE_PARENT | CLONE_PARENT_SETTID;
  arguments.parent_tid = reinterpret_cast<uint64_t>(shared);
  arguments.exit_signal = 0;
  long pid = syscall(SYS_clone3, &arguments, sizeof arguments);
  if (pid < 0) return CallFailure("clone3");
  if (pid > 0) _exit(0);
  return kOk;
}

// As clone3, of a process in the user namespace of the parent.
Result CloneIntoUserNamespace(const CloneMessage& clone, const clone_args& arguments, FirstProcessSetup setup,
                              Container* out) {
  pid_t* shared = setup.launch.process();
  *shared = 0;
  pid_t entering = fork();
  if (entering < 0) return CallFailure("fork");
  if (entering == 0) {
    *out = {};
    if (Result result = CloneInParent(clone, arguments, shared); !result.ok()) {
      FirstProcess process;
      process.channel = static_cast<Fd&&>(setup.channel);
      ReportAndExit(process, kNoStep, "clone", result);
    }
    RunFirstProcess(static_cast<FirstProcessSetup&&>(setup));
  }
  while (waitpid(entering, nullptr, 0) < 0 && errno == EINTR) {
  }
  out->pid = *shared;
  // The channel tells why.
  if (out->pid == 0) return Failure(ESRCH, "clone");
  out->pidfd = Fd(static_cast<int>(syscall(SYS_pidfd_open, out->pid, 0)));
  return out->pidfd.valid() ? kOk : CallFailure("pidfd_open");
}

}  // namespace

Result MakeInput(Container& container, Fd* reader) {
  Fd writer;
  if (Result result = MakePipe(&writer, kWriting, reader); !result.ok()) return result;
  container.hasInput = true;
  container.input.UsePipe(static_cast<Fd&&>(writer));
  return kOk;
}

Result StartContainer(const CloneMessage& clone, const FrameMemory& launch, Container* out) {
  if ((clone.cloneFlags & ~kNamespaces) != 0) return Failure(EINVAL, "cloneFlags");
  if ((clone.parentNamespaces & ~uint64_t{CLONE_NEWPID | CLONE_NEWUSER}) != 0) return Failure(EINVAL, "parentNamespaces");
  UserNamespace users = (clone.cloneFlags & CLONE_NEWUSER) != 0        ? UserNamespace::kOwn
                        : (clone.parentNamespaces & CLONE_NEWUSER) != 0 ? UserNamespace::kJoined
                                                                        : UserNamespace::kNone;
  FirstProcessSetup setup{clone.steps, clone.groups, launch, {}, {}, users};
  if (Result result = MakePipe(&out->output, kReading, &setup.streams.fds[1]); !result.ok()) return result;
  if (Result result = MakePipe(&out->errors, kReading, &setup.streams.fds[2]); !result.ok()) return result;
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) return CallFailure("socketpair");
  out->channel = Fd(pair[0]);
  setup.channel = Fd(pair[1]);

  ChildrenIn namespaces;
  if (clone.parentNamespaces == CLONE_NEWPID) {
    if (Result result = namespaces.Enter(clone.parent, clone.parentStartTime); !result.ok()) return result;
  }
  int pidfd = -1;
  clone_args arguments{};
  arguments.flags = clone.cloneFlags | CLONE_PIDFD;
  arguments.pidfd = reinterpret_cast<uint64_t>(&pidfd);
  arguments.exit_signal = SIGCHLD;
  Fd cgroup;
  if (!clone.cgroup.empty()) {
    cgroup = Fd(open(clone.cgroup.data, O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!cgroup.valid()) return CallFailure("open", clone.cgroup.data);
    arguments.flags |= CLONE_INTO_CGROUP;
    arguments.cgroup = static_cast<uint64_t>(cgroup.get());
  }
  out->ownPids = (clone.cloneFlags & CLONE_NEWPID) != 0;
  out->ownUsers = users == UserNamespace::kOwn;
  if (users == UserNamespace::kJoined) {
    Result result = CloneIntoUserNamespace(clone, arguments, static_cast<FirstProcessSetup&&>(setup), out);
    return result.ok() ? ReadStartTime(out->pid, &out->startTime) : result;
  }
  long pid = syscall(SYS_clone3, &arguments, sizeof arguments);
  if (pid < 0) return CallFailure("clone3", clone.cgroup.data);
  if (pid == 0) {
    // The shim's ends: a channel that the shim alone holds tells when the shim dies.
    *out = {};
    RunFirstProcess(static_cast<FirstProcessSetup&&>(setup));
  }
  out->pid = static_cast<pid_t>(pid);
  out->pidfd = Fd(pidfd);
  if (out->ownUsers || clone.groups.count > 0) {
    setup.channel.Close();
    // Before that nobody without privilege could write its maps of ids, and nobody may rename the control groups.
    ChannelPacket packet;
    ssize_t size = recv(out->channel.get(), &packet, sizeof packet, 0);
    if (size != sizeof packet || packet != ChannelPacket::kWaiting) return Failure(ESRCH, "clone");
  }
  return ReadStartTime(out->pid, &out->startTime);
}

}  // namespace gantry
