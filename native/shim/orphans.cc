#include "orphans.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>

#include "fd.h"
#include "number.h"
#include "text-buffer.h"

namespace gantry {
namespace {

constexpr int kRounds = 1000;

// One page of the list is enough: the next round reads the list again.
void SignalChildren() {
  TextBuffer<64> path;
  path.Add("/proc/self/task/").AddSigned(getpid()).Add("/children");
  Fd file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  char list[4096];
  ssize_t size = file.valid() ? read(file.get(), list, sizeof list - 1) : 0;
  if (size <= 0) return;
  list[size] = 0;
  // An id is followed by a blank; one that the page's end has cut is left for the next round.
  uint64_t pid = 0;
  for (const char* next = list; ReadNumber(&next, &pid) && *next == ' '; next++) {
    // A child that has not been reaped keeps its id.
    kill(static_cast<pid_t>(pid), SIGKILL);
  }
}

}  // namespace

void KillOrphans() {
  for (int round = 0; round < kRounds; round++) {
    pid_t reaped;
    do {
      reaped = waitpid(-1, nullptr, WNOHANG);
    } while (reaped > 0);
    if (reaped < 0) return;
    SignalChildren();
    const timespec pause{0, 1000000};
    nanosleep(&pause, nullptr);
  }
}

}  // namespace gantry
