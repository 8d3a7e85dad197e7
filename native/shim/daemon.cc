#include "daemon.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>

#include "fd.h"
#include "result.h"
#include "system-calls.h"

namespace gantry {
namespace {

// All signals but SIGKILL and SIGSTOP stay blocked: how long a container lives is for its host program to say, not for
// whatever ends a session. The guardian reads SIGCHLD from a descriptor.
void ResetSignals() {
  for (int signal = 1; signal < NSIG; signal++) ::signal(signal, SIG_DFL);
  sigset_t all;
  sigfillset(&all);
  sigprocmask(SIG_SETMASK, &all, nullptr);
}

}  // namespace

void Daemonise() {
  setsid();
  ResetSignals();
  umask(0022);
  CloseRange(kHostSocket + 1, ~0U, 0);
  fcntl(kHostSocket, F_SETFD, FD_CLOEXEC);
  prctl(PR_SET_NAME, "gantry-shim");
  // Without a pid namespace of its own, what the container leaves behind becomes the shim's child and ends with it.
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  // No process of another container of the same user may look into it, or into the first process before its exec.
  prctl(PR_SET_DUMPABLE, 0);
}

void LowerOomScore() {
  constexpr char kLow[] = "-999";
  Fd file(open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC));
  if (file.valid()) (void)!write(file.get(), kLow, sizeof kLow - 1);
}

}  // namespace gantry
