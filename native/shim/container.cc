#include "container.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>

#include "first-process.h"
#include "number.h"
#include "system-calls.h"
#include "text-buffer.h"

namespace gantry {
namespace {

constexpr uint64_t kNamespaces =
    CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWNET | CLONE_NEWCGROUP;

Result MakePipe(Fd* readEnd, Fd* writeEnd) {
  int pair[2];
  if (pipe2(pair, O_CLOEXEC) != 0) return CallFailure("pipe2");
  *readEnd = Fd(pair[0]);
  *writeEnd = Fd(pair[1]);
  // Only this end: the container's own must block when the pipe is full.
  return fcntl(pair[0], F_SETFL, O_NONBLOCK) == 0 ? kOk : CallFailure("fcntl");
}

// Field 22 of /proc/<pid>/stat, counted after the name in parentheses, which may hold anything.
Result ReadStartTime(pid_t pid, uint64_t* out) {
  TextBuffer<32> path;
  path.Add("/proc/").AddSigned(pid).Add("/stat");
  char stat[1024];
  Fd file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  ssize_t size = file.valid() ? read(file.get(), stat, sizeof stat - 1) : -1;
  if (size < 0) return CallFailure("read", "/proc/<pid>/stat");
  stat[size] = 0;
  const char* next = strrchr(stat, ')');
  for (int field = 2; next != nullptr && field < 22; field++) next = strchr(next + 1, ' ');
  if (next == nullptr || !ReadNumber(&(++next), out)) return Failure(EBADMSG, "read", "/proc/<pid>/stat");
  return kOk;
}

}  // namespace

Result StartContainer(const CloneMessage& clone, const FrameMemory& launch, Container* out) {
  if ((clone.cloneFlags & ~kNamespaces) != 0) return Failure(EINVAL, "cloneFlags");
  FirstProcessSetup setup{launch, {}, {}};
  if (Result result = MakePipe(&out->output, &setup.streams.fds[1]); !result.ok()) return result;
  if (Result result = MakePipe(&out->errors, &setup.streams.fds[2]); !result.ok()) return result;
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) return CallFailure("socketpair");
  out->channel = Fd(pair[0]);
  setup.channel = Fd(pair[1]);

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
