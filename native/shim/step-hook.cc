// The step that runs a hook: another program, which is waited for.
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "first-process.h"
#include "poll-set.h"
#include "system-calls.h"
#include "text-buffer.h"
#include "text-vector.h"

namespace gantry {
namespace {

constexpr uint32_t kNoTimeout = 0;
constexpr uint32_t kMaxTimeout = 86400;
constexpr uint64_t kMillisecond = 1000000;

// What a report has room for; the rest of what the hook writes is read and dropped.
using Detail = TextBuffer<400>;

// Texts of a failure outlive the report.
Detail detail;

struct Pipe {
  Fd reader;
  Fd writer;

  Result Make() {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) return CallFailure("pipe2");
    reader = Fd(ends[0]);
    writer = Fd(ends[1]);
    return kOk;
  }
};

struct Hook {
  const HookStep& step;
  char** argv = nullptr;
  char** environment = nullptr;
  Fd state{};
  // What it writes to standard output and error.
  Pipe output{};
  // The errno of an exec that fails; the end of it of one that does not.
  Pipe failure{};
  pid_t pid = 0;
  Fd pidfd{};
};

uint64_t MonotonicMilliseconds() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1000 + static_cast<uint64_t>(now.tv_nsec) / kMillisecond;
}

bool WriteAll(int to, const char* bytes, size_t size) {
  while (size > 0) {
    ssize_t written = write(to, bytes, size);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    bytes += written;
    size -= static_cast<size_t>(written);
  }
  return true;
}

// In memory, so that a hook which does not read it holds up nobody.
Result MakeState(const HookStep& step, Fd* out) {
  *out = Fd(static_cast<int>(syscall(SYS_memfd_create, "state", 0)));
  if (!out->valid()) return CallFailure("memfd_create");
  TextBuffer<32> end;
  end.Add(",\"pid\":").AddSigned(getpid()).Add("}");
  bool written = WriteAll(out->get(), step.state.data, step.state.size) && WriteAll(out->get(), end.c_str(), end.size());
  if (!written || syscall(SYS_lseek, out->get(), 0, SEEK_SET) != 0) return CallFailure("write");
  return kOk;
}

// In the child. Gives up what the container's own program will not have, if the hook is the container's.
Result Become(FirstProcess& process, const Hook& hook, pid_t parent) {
  // Of its own, so that all that it starts can be ended with it.
  setsid();
  const int streams[] = {hook.state.get(), hook.output.writer.get(), hook.output.writer.get()};
  for (int fd = 0; fd < Streams::kCount; fd++) {
    if (dup2(streams[fd], fd) < 0) return CallFailure("dup2");
  }
  // As every program expects its streams to be; the reading end is another matter.
  if (fcntl(1, F_SETFL, O_WRONLY) != 0) return CallFailure("fcntl");
  if (chdir("/") != 0) return CallFailure("chdir", "/");
  if (CloseRange(3, ~0U, CLOSE_RANGE_CLOEXEC) != 0) return CallFailure("close_range");
  umask(0022);
  if (process.ready) {
    if (Result result = ApplyCapabilities(process); !result.ok()) return result;
  }
  // Whoever ends the first process ends its hooks.
  if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) return CallFailure("PR_SET_PDEATHSIG");
  if (syscall(SYS_getppid) != parent) _exit(1);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  if (process.ready) {
    if (Result result = ApplyFilterUnheard(process); !result.ok()) return result;
  }
  execve(hook.step.path.data, hook.argv, hook.environment);
  return CallFailure("execve");
}

Result Start(FirstProcess& process, Hook& hook) {
  pid_t parent = getpid();
  hook.pid = fork();
  if (hook.pid < 0) return CallFailure("fork");
  if (hook.pid == 0) {
    Result result = Become(process, hook, parent);
    (void)!write(hook.failure.writer.get(), &result.error, sizeof result.error);
    _exit(1);
  }
  hook.output.writer.Close();
  hook.failure.writer.Close();
  hook.pidfd = Fd(static_cast<int>(syscall(SYS_pidfd_open, hook.pid, 0)));
  return hook.pidfd.valid() ? kOk : CallFailure("pidfd_open");
}

// Keeps the beginning of what it writes, as one line, and closes the pipe at its end.
void TakeOutput(Fd& from) {
  char piece[256];
  ssize_t size;
  while ((size = read(from.get(), piece, sizeof piece)) > 0) {
    for (ssize_t i = 0; i < size; i++) {
      if (piece[i] >= 0 && piece[i] < ' ') piece[i] = ' ';
    }
    detail.Add(piece, static_cast<size_t>(size));
  }
  if (size == 0) from.Close();
}

// False if it has not ended in time.
bool Await(Hook& hook) {
  enum { kEnd, kOutput, kCount };
  bool limited = hook.step.timeout != kNoTimeout;
  uint64_t deadline = MonotonicMilliseconds() + uint64_t{hook.step.timeout} * 1000;
  for (;;) {
    uint64_t now = MonotonicMilliseconds();
    if (limited && now >= deadline) return false;
    PollSet<kCount> events;
    events.Add(kEnd, hook.pidfd.get(), POLLIN);
    events.Add(kOutput, hook.output.reader.get(), POLLIN);
    if (!events.Wait(limited ? static_cast<int>(deadline - now) : -1)) continue;
    if (events[kOutput]) TakeOutput(hook.output.reader);
    if (events[kEnd]) return true;
  }
}

// Ends all that it has started, and reaps it. Gives its status.
int End(const Hook& hook) {
  // Nobody else is in the pid namespace of a process 1 that has not come to its program.
  bool alone = getpid() == 1;
  kill(alone ? -1 : -hook.pid, SIGKILL);
  // Its session may not be made yet.
  kill(hook.pid, SIGKILL);
  int status = 0;
  while (waitpid(hook.pid, &status, 0) < 0 && errno == EINTR) {
  }
  while (alone && (waitpid(-1, nullptr, 0) > 0 || errno == EINTR)) {
  }
  return status;
}

Result Outcome(const Hook& hook, bool inTime, int status) {
  const char* path = hook.step.path.data;
  int error = 0;
  if (read(hook.failure.reader.get(), &error, sizeof error) == sizeof error) return Failure(error, "execve", path);
  Detail said = detail;
  detail.Clear();
  if (!inTime) {
    detail.Add("not done after ").AddNumber(hook.step.timeout).Add(" s");
  } else if (WIFSIGNALED(status)) {
    detail.Add("killed by signal ").AddNumber(static_cast<uint64_t>(WTERMSIG(status)));
  } else if (WEXITSTATUS(status) != 0) {
    detail.Add("exited with ").AddNumber(static_cast<uint64_t>(WEXITSTATUS(status)));
  } else {
    return kOk;
  }
  if (said.size() > 0) detail.Add(", saying ").Add(said.c_str());
  return Failure(inTime ? ECANCELED : ETIMEDOUT, detail.c_str(), path);
}

}  // namespace

Result Perform(FirstProcess& process, const HookStep& step) {
  const char* path = step.path.data;
  if (step.argv.count == 0 || step.timeout > kMaxTimeout) return Failure(EINVAL, "fields", path);
  Hook hook{step};
  detail.Clear();
  Result result = ReadVector(step.argv, &hook.argv);
  if (result.ok()) result = ReadVector(step.env, &hook.environment);
  if (result.ok()) result = MakeState(step, &hook.state);
  if (result.ok()) result = hook.output.Make();
  if (result.ok()) result = hook.failure.Make();
  if (result.ok()) result = Start(process, hook);
  if (!result.ok()) {
    if (hook.pid > 0) End(hook);
    result.path = path;
    return result;
  }
  bool inTime = Await(hook);
  if (inTime) TakeOutput(hook.output.reader);
  return Outcome(hook, inTime, End(hook));
}

}  // namespace gantry
