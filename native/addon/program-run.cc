#include "program-run.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include <algorithm>

#ifndef P_PIDFD
#define P_PIDFD 3
#endif

namespace gantry {

namespace {

// Milliseconds that a program which was killed has to end, with all that has its streams, before it is told of all the same.
constexpr int64_t kKillTime = 5000;

int64_t Now() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return int64_t{now.tv_sec} * 1000 + now.tv_nsec / 1'000'000;
}

// A pipe whose ends are none of the descriptors that a program is given. Returns an errno.
int MakePipe(Fd& reading, Fd& writing) {
  int pair[2];
  if (pipe2(pair, O_CLOEXEC) != 0) return errno;
  for (int i = 0; i < 2; i++) {
    Fd end(pair[i]);
    // Where the host program has closed its own.
    if (end.get() <= STDERR_FILENO) end = Fd(fcntl(end.get(), F_DUPFD_CLOEXEC, STDERR_FILENO + 1));
    if (!end.valid()) return errno;
    (i == 0 ? reading : writing) = std::move(end);
  }
  return 0;
}

// What a program is started with beside its path: a session of its own, signals as they are by default, the folder /, and the streams.
class SpawnSettings {
 public:
  SpawnSettings() {
    posix_spawnattr_init(&attributes);
    posix_spawn_file_actions_init(&actions);
  }
  SpawnSettings(const SpawnSettings&) = delete;
  SpawnSettings& operator=(const SpawnSettings&) = delete;
  ~SpawnSettings() {
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
  }

  // Returns an errno.
  int Set(const Fd (&streams)[3]) {
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &all);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    int error = posix_spawn_file_actions_addchdir_np(&actions, "/");
    for (int i = 0; i < 3 && error == 0; i++) error = posix_spawn_file_actions_adddup2(&actions, streams[i].get(), i);
    if (error == 0) error = posix_spawn_file_actions_addclosefrom_np(&actions, STDERR_FILENO + 1);
    return error;
  }

  posix_spawnattr_t attributes;
  posix_spawn_file_actions_t actions;
};

}  // namespace

void ProgramRun::Start(std::function<void(End)> done) {
  done_ = std::move(done);
  wake_ = Fd(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!wake_.valid()) {
    Fail("eventfd", errno);
  } else if (const int error = StartThread(); error != 0) {
    Fail("pthread_create", error);
  } else {
    return;
  }
  done_(std::move(end_));
}

int ProgramRun::StartThread() {
  auto self = std::make_unique<std::shared_ptr<ProgramRun>>(shared_from_this());
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  // Signals are for the threads of the host program.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  pthread_t thread;
  const int error = pthread_create(
      &thread, &attributes,
      [](void* given) -> void* {
        const std::unique_ptr<std::shared_ptr<ProgramRun>> run(static_cast<std::shared_ptr<ProgramRun>*>(given));
        (*run)->Work();
        return nullptr;
      },
      self.get());
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  pthread_attr_destroy(&attributes);
  if (error == 0) (void)self.release();
  return error;
}

void ProgramRun::Kill() {
  const std::lock_guard lock(mutex_);
  // It has room for more than are ever written.
  if (wake_.valid()) eventfd_write(wake_.get(), 1);
}

bool ProgramRun::Fail(const char* syscall, int error) {
  end_.error = error;
  end_.syscall = syscall;
  return false;
}

void ProgramRun::Work() {
  if (Spawn()) Collect();
  process_ = Fd();
  input_ = Fd();
  for (Fd& output : outputs_) output = Fd();
  if (hasEnded_) Reap();
  {
    const std::lock_guard lock(mutex_);
    wake_ = Fd();
  }
  done_(std::move(end_));
  // Whenever that will be.
  if (pid_ > 0) Reap();
}

bool ProgramRun::Spawn() {
  Fd streams[3];
  int error = MakePipe(streams[0], input_);
  for (int i = 0; i < 2 && error == 0; i++) error = MakePipe(outputs_[i], streams[i + 1]);
  if (error != 0) return Fail("pipe2", error);
  // Its own end only: the program's may wait.
  if (fcntl(input_.get(), F_SETFL, O_NONBLOCK) != 0) return Fail("fcntl", errno);
  WriteInput();

  SpawnSettings settings;
  error = settings.Set(streams);
  if (error != 0) return Fail("posix_spawn", error);
  std::vector<char*> environment;
  for (const std::string& variable : call_.environment) environment.push_back(const_cast<char*>(variable.c_str()));
  environment.push_back(nullptr);
  char* const arguments[] = {const_cast<char*>(call_.path.c_str()), nullptr};
  error = posix_spawn(&pid_, call_.path.c_str(), &settings.actions, &settings.attributes, arguments, environment.data());
  if (error != 0) return pid_ = -1, Fail("posix_spawn", error);
  process_ = Fd(static_cast<int>(syscall(SYS_pidfd_open, pid_, 0)));
  if (process_.valid()) return true;
  error = errno;
  KillGroup();
  return Fail("pidfd_open", error);
}

void ProgramRun::Collect() {
  while (!hasEnded_ || outputs_[0].valid() || outputs_[1].valid()) {
    const int64_t left = deadline_ == 0 ? -1 : deadline_ - Now();
    if (deadline_ != 0 && left <= 0) return;
    // One that is negative is not looked at.
    pollfd fds[] = {
        {.fd = outputs_[0].get(), .events = POLLIN, .revents = 0},
        {.fd = outputs_[1].get(), .events = POLLIN, .revents = 0},
        {.fd = input_.get(), .events = POLLOUT, .revents = 0},
        {.fd = hasEnded_ ? -1 : process_.get(), .events = POLLIN, .revents = 0},
        {.fd = deadline_ == 0 ? wake_.get() : -1, .events = POLLIN, .revents = 0},
    };
    if (poll(fds, std::size(fds), static_cast<int>(left)) < 0) {
      if (errno == EINTR) continue;
      Fail("poll", errno);
      return KillGroup();
    }
    for (int i = 0; i < 2; i++) {
      if (fds[i].revents != 0) ReadOutput(i);
    }
    if (fds[2].revents != 0) WriteInput();
    if (fds[3].revents != 0) hasEnded_ = true;
    if (fds[4].revents != 0) KillGroup();
  }
}

// What it does not read is for nobody.
void ProgramRun::WriteInput() {
  const std::string& input = call_.input;
  while (given_ < input.size()) {
    const ssize_t written = write(input_.get(), input.data() + given_, input.size() - given_);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0 && errno == EAGAIN) return;
    if (written < 0) break;
    given_ += static_cast<size_t>(written);
  }
  input_ = Fd();
}

void ProgramRun::ReadOutput(int stream) {
  char piece[65536];
  const ssize_t size = read(outputs_[stream].get(), piece, sizeof piece);
  if (size < 0 && errno == EINTR) return;
  if (size <= 0) {
    outputs_[stream] = Fd();
    return;
  }
  std::string& written = end_.written[stream];
  if (written.size() + static_cast<size_t>(size) <= call_.mostOutput) {
    written.append(piece, static_cast<size_t>(size));
  } else if (!end_.isOverLimit) {
    end_.isOverLimit = true;
    KillGroup();
  }
}

// Its id is nobody else's as long as it is not reaped.
void ProgramRun::KillGroup() {
  kill(-pid_, SIGKILL);
  if (deadline_ == 0) deadline_ = Now() + kKillTime;
}

void ProgramRun::Reap() {
  siginfo_t info;
  int found;
  do {
    info = {};
    found = waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED);
  } while (found != 0 && errno == EINTR);
  pid_ = -1;
  if (found != 0) {
    Fail("waitid", errno);
    return;
  }
  end_.code = info.si_code;
  end_.status = info.si_status;
}

}  // namespace gantry
