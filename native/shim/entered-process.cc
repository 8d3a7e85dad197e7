#include "entered-process.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <utility>

#include "channel.h"
#include "container.h"
#include "first-process.h"
#include "outside.h"
#include "system-calls.h"

namespace gantry {
namespace {

constexpr uint64_t kNamespaces =
    CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWNET | CLONE_NEWCGROUP | CLONE_NEWUSER |
    CLONE_NEWTIME;

constexpr int kRounds = 16;

// Closes what the shim holds and the container must not see, not even by /proc of a process of its own.
Result CloseAllBut(const Streams& streams, const FirstProcess& process, int container) {
  int kept[] = {streams.fds[0].get(),  streams.fds[1].get(),  streams.fds[2].get(),
                process.channel.get(), process.ruleset.get(), process.agent.get(), container};
  constexpr int kCount = sizeof kept / sizeof *kept;
  unsigned next = Streams::kCount;
  for (int done = 0; done < kCount; done++) {
    int least = done;
    for (int other = done + 1; other < kCount; other++) {
      if (kept[other] < kept[least]) least = other;
    }
    std::swap(kept[done], kept[least]);
    // Of a process that makes a terminal for itself there are no streams, and few have a ruleset or an agent.
    if (kept[done] < 0) continue;
    auto keep = static_cast<unsigned>(kept[done]);
    if (keep > next && CloseRange(next, keep - 1, 0) != 0) return CallFailure("close_range");
    if (keep >= next) next = keep + 1;
  }
  return CloseRange(next, ~0U, 0) == 0 ? kOk : CallFailure("close_range");
}

Result JoinCgroups(FirstProcess& process, const TextList& folders) {
  FieldReader reader(folders);
  for (uint32_t i = 0; i < folders.count; i++) {
    JoinCgroupStep step;
    reader.Read(&step.path);
    if (Result result = Perform(process, step); !result.ok()) return result;
  }
  return kOk;
}

// What needs the privileges that it has outside of the user namespace that it is about to enter.
Result ActBeforehand(FirstProcess& process, const StepList& list) {
  // Its files below /proc are the host's root's else. Nobody in the container sees it yet.
  if (prctl(PR_SET_DUMPABLE, 1) != 0) return CallFailure("PR_SET_DUMPABLE");
  FieldReader steps(list);
  for (uint32_t index = 0; index < list.count; index++) {
    FieldReader fields = steps.Block();
    uint8_t code = 0;
    fields.Read(&code);
    OomScoreAdjStep score;
    RlimitStep limit;
    if (StepCode{code} == StepCode::kOomScoreAdj && Read(fields, &score)) {
      if (Result result = Perform(process, score); !result.ok()) return result;
    }
    if (StepCode{code} == StepCode::kRlimit && Read(fields, &limit)) RaiseLimit(0, limit);
  }
  process.users = UserNamespace::kJoined;
  process.outside = true;
  return prctl(PR_SET_DUMPABLE, 0) == 0 ? kOk : CallFailure("PR_SET_DUMPABLE");
}

// Enters, and makes the process to be: a pid namespace holds only those that are made after it was entered. The clone
// is the shim's child, as the caller is. Returns in the clone only.
Result Enter(const Container& container, const EnterMessage& enter, pid_t* shared, FirstProcess& process) {
  if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) return CallFailure("prctl");
  if (Result result = OpenProcfs(&process.procfs); !result.ok()) return result;
  if (Result result = JoinCgroups(process, enter.cgroups); !result.ok()) return result;
  if ((enter.namespaces & CLONE_NEWUSER) != 0) {
    if (Result result = ActBeforehand(process, enter.steps); !result.ok()) return result;
  }
  clone_args arguments{};
  // The signal of its end is that of the caller's.
  arguments.flags = CLONE_PARENT | CLONE_PARENT_SETTID;
  arguments.parent_tid = reinterpret_cast<uint64_t>(shared);
  Fd cgroup;
  if (!enter.cgroup.empty()) {
    cgroup = Fd(open(enter.cgroup.data, O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!cgroup.valid()) return CallFailure("open", enter.cgroup.data);
    arguments.flags |= CLONE_INTO_CGROUP;
    arguments.cgroup = static_cast<uint64_t>(cgroup.get());
  }
  if (enter.namespaces != 0 && syscall(SYS_setns, container.pidfd.get(), enter.namespaces) != 0) {
    return CallFailure("setns");
  }
  long pid = syscall(SYS_clone3, &arguments, sizeof arguments);
  if (pid < 0) return CallFailure("clone3", enter.cgroup.data);
  if (pid == 0) return kOk;
  _exit(0);
}

}  // namespace

Result EnteredProcess::UseTerminal(Fd master) {
  if (Result result = terminal.Adopt(static_cast<Fd&&>(master)); !result.ok()) return result;
  input.UseTerminal(&terminal);
  return kOk;
}

void EnteredProcess::CopyOutput() {
  outputFull = false;
  // The others have their turn between.
  for (int round = 0; round < kRounds; round++) {
    Moved moved = Move(terminal.get(), output.get());
    if (moved == Moved::kSome) continue;
    outputFull = moved == Moved::kNoRoom;
    // With the leader of its session the terminal was hung up: nothing more comes, whoever may still hold it open.
    bool over = ended && moved == Moved::kNothing;
    if (!over && (moved == Moved::kNoRoom || moved == Moved::kNothing)) return;
    terminal.Close();
    output.Close();
    return;
  }
}

Result StartEnteredProcess(const Container& container, const EnterMessage& enter, pid_t* shared, Streams streams,
                           Fd agent, EnteredProcess* out) {
  if ((enter.namespaces & ~kNamespaces) != 0) return Failure(EINVAL, "namespaces");
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) return CallFailure("socketpair");
  out->channel = Fd(pair[0]);
  FirstProcess process;
  process.channel = Fd(pair[1]);
  process.agent = static_cast<Fd&&>(agent);
  if (enter.terminal != 0) {
    out->source.pipe = static_cast<Fd&&>(streams.fds[0]);
    out->source.ends = true;
    out->output = static_cast<Fd&&>(streams.fds[1]);
    streams = {};
  }
  *shared = 0;
  pid_t entering = fork();
  if (entering < 0) return CallFailure("fork");
  if (entering == 0) {
    if (container.ruleset.valid()) process.ruleset = Fd(fcntl(container.ruleset.get(), F_DUPFD_CLOEXEC, 0));
    Result closed = CloseAllBut(streams, process, container.pidfd.get());
    if (!closed.ok()) ReportAndExit(process, kNoStep, "enter", closed);
    Result entered = Enter(container, enter, shared, process);
    if (!entered.ok()) ReportAndExit(process, kNoStep, "enter", entered);
    RunEnteredProcess(static_cast<FirstProcess&&>(process), static_cast<Streams&&>(streams), enter.steps);
  }
  process.channel.Close();
  // It is done as soon as it has cloned, or has told the channel why it could not.
  while (waitpid(entering, nullptr, 0) < 0 && errno == EINTR) {
  }
  out->pid = *shared;
  if (out->pid == 0) return kOk;
  // It may have ended by now, but has not been reaped: the id is its own.
  out->pidfd = Fd(static_cast<int>(syscall(SYS_pidfd_open, out->pid, 0)));
  return out->pidfd.valid() ? kOk : CallFailure("pidfd_open");
}

}  // namespace gantry
