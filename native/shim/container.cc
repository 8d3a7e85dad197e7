#include "container.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>

#include "first-process.h"
#include "process-identity.h"
#include "system-calls.h"

namespace gantry {
namespace {

constexpr uint64_t kNamespaces =
    CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWNET | CLONE_NEWCGROUP;

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
  FirstProcessSetup setup{launch, {}, {}};
  if (Result result = MakePipe(&out->output, kReading, &setup.streams.fds[1]); !result.ok()) return result;
  if (Result result = MakePipe(&out->errors, kReading, &setup.streams.fds[2]); !result.ok()) return result;
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) return CallFailure("socketpair");
  out->channel = Fd(pair[0]);
  setup.channel = Fd(pair[1]);

  ChildrenIn namespaces;
  if (clone.parent != 0) {
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
  long pid = syscall(SYS_clone3, &arguments, sizeof arguments);
  if (pid < 0) return CallFailure("clone3", clone.cgroup.data);
  if (pid == 0) {
    // The shim's ends: a channel that the shim alone holds tells when the shim dies.
    *out = {};
    RunFirstProcess(static_cast<FirstProcessSetup&&>(setup));
  }
  out->pid = static_cast<pid_t>(pid);
  out->pidfd = Fd(pidfd);
  out->ownPids = (clone.cloneFlags & CLONE_NEWPID) != 0;
  return ReadStartTime(out->pid, &out->startTime);
}

}  // namespace gantry
