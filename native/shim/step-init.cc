// First processes that are the shim's own program: an init above the container's program, and a sandbox without one.
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "first-process.h"
#include "system-calls.h"

namespace gantry {
namespace {

constexpr int kSignalled = 128;

// The next signal; all of them are blocked.
int NextSignal() {
  sigset_t all;
  sigfillset(&all);
  for (;;) {
    long signal = syscall(SYS_rt_sigtimedwait, &all, nullptr, nullptr, sizeof(uint64_t));
    if (signal > 0) return static_cast<int>(signal);
    // A filter that does not allow it would have us ask for ever.
    if (errno != EINTR && errno != EAGAIN) _exit(errno);
  }
}

// Reaps whoever has ended. True if `awaited` is among them, with its status.
bool Reap(pid_t awaited, int* out) {
  bool found = false;
  int status;
  for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;) {
    if (pid != awaited) continue;
    found = true;
    *out = status;
  }
  return found;
}

// Holds nothing of the container: an input or output that its program closes is closed.
void BecomeInit(const char* name) {
  CloseRange(0, ~0U, 0);
  prctl(PR_SET_NAME, name);
  prctl(PR_SET_CHILD_SUBREAPER, 1);
}

[[noreturn]] void RunInit(pid_t program) {
  BecomeInit("gantry-init");
  for (;;) {
    int status = 0;
    int signal = NextSignal();
    if (signal != SIGCHLD) {
      // It may have ended, which its SIGCHLD tells; until it is reaped its id is its own.
      kill(program, signal);
    } else if (Reap(program, &status)) {
      _exit(WIFSIGNALED(status) ? kSignalled + WTERMSIG(status) : WEXITSTATUS(status));
    }
  }
}

bool EndsPrograms(int signal) {
  return signal == SIGTERM || signal == SIGINT || signal == SIGQUIT || signal == SIGHUP;
}

}  // namespace

Result Perform(FirstProcess& process, const InitStep&) {
  if (!process.ready) return Failure(EPROTO, "no barrier before the init");
  if (Result result = ApplyCapabilities(process); !result.ok()) return result;
  // A user change clears it.
  if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) return CallFailure("PR_SET_PDEATHSIG");
  // Before there is a program that might have the init make calls for it.
  if (Result result = ApplyFilter(process); !result.ok()) return result;
  pid_t program = fork();
  if (program < 0) return CallFailure("fork");
  if (program > 0) {
    // As of a sandbox.
    if (process.users == UserNamespace::kOwn) prctl(PR_SET_DUMPABLE, 1);
    RunInit(program);
  }
  // What is typed at a terminal, and what is sent to us, reaches the program once.
  if (syscall(SYS_setpgid, 0, 0) != 0) return CallFailure("setpgid");
  int group = static_cast<int>(syscall(SYS_getpgid, 0));
  // If it has no terminal that is not to be.
  (void)ioctl(0, TIOCSPGRP, &group);
  return kOk;
}

Result Perform(FirstProcess& process, const SandboxStep&) {
  if (Result result = BeginRunning(process); !result.ok()) return result;
  BecomeInit("gantry-sandbox");
  for (;;) {
    int status = 0;
    int signal = NextSignal();
    if (signal == SIGCHLD) Reap(-1, &status);
    if (EndsPrograms(signal)) _exit(0);
  }
}

}  // namespace gantry
