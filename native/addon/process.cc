// Processes and descriptors for the host: sealed executables, spawning, pidfds.
#include <errno.h>
#include <fcntl.h>
#include <linux/memfd.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <vector>

#include "task.h"

#ifndef MFD_EXEC
#define MFD_EXEC 0x0010U
#endif

namespace gantry {
namespace {

bool WriteAll(int fd, const uint8_t* bytes, size_t size) {
  while (size > 0) {
    ssize_t written = write(fd, bytes, size);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return false;
    bytes += written;
    size -= static_cast<size_t>(written);
  }
  return true;
}

// MFD_EXEC is asked for because a kernel may be set to make memfds not executable by default; kernels before 6.3
// do not know it and answer EINVAL.
Fd MakeMemfd() {
  constexpr unsigned flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
  Fd fd(static_cast<int>(syscall(SYS_memfd_create, "gantry-shim", flags | MFD_EXEC)));
  if (!fd.valid() && errno == EINVAL) {
    fd = Fd(static_cast<int>(syscall(SYS_memfd_create, "gantry-shim", flags)));
  }
  return fd;
}

class SealedExecutableTask final : public Task {
 public:
  SealedExecutableTask(Napi::Env env, std::string path) : Task(env), path_(std::move(path)) {}
  SealedExecutableTask(Napi::Env env, std::vector<uint8_t> bytes) : Task(env), bytes_(std::move(bytes)) {}

 private:
  void Run() final {
    fd_ = MakeMemfd();
    if (!fd_.valid()) return Fail(errno, "memfd_create");
    if (path_.empty() ? !CopyBytes() : !CopyFile()) return;
    constexpr int seals = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;
    if (fcntl(fd_.get(), F_ADD_SEALS, seals) != 0) Fail(errno, "fcntl");
  }

  bool CopyBytes() {
    if (!WriteAll(fd_.get(), bytes_.data(), bytes_.size())) return Fail(errno, "write"), false;
    return true;
  }

  bool CopyFile() {
    Fd source(open(path_.c_str(), O_RDONLY | O_CLOEXEC));
    if (!source.valid()) return Fail(errno, "open", path_), false;
    for (;;) {
      ssize_t copied = sendfile(fd_.get(), source.get(), nullptr, 1 << 20);
      if (copied == 0) return true;
      if (copied < 0 && errno != EINTR) return Fail(errno, "sendfile", path_), false;
    }
  }

  Napi::Value Result(Napi::Env env) final { return Napi::Number::New(env, fd_.release()); }

  std::string path_;
  std::vector<uint8_t> bytes_;
  Fd fd_;
};

Napi::Value SealedExecutable(const Napi::CallbackInfo& info) {
  if (info[0].IsString()) {
    return (new SealedExecutableTask(info.Env(), info[0].As<Napi::String>().Utf8Value()))->Start();
  }
  Napi::Uint8Array bytes = info[0].As<Napi::Uint8Array>();
  return (new SealedExecutableTask(info.Env(), std::vector<uint8_t>(bytes.Data(), bytes.Data() + bytes.ByteLength())))
      ->Start();
}

constexpr int kChildSocket = 3;

// A program that is to run as a daemon. Two clones in the memory of the thread that waits for them start it: one makes the
// other and ends, so that nobody's child remains, and the other becomes the program.
class DaemonStart {
 public:
  DaemonStart(int executable, int socket, char* const* argv)
      : path_("/proc/self/fd/" + std::to_string(executable)), socket_(socket), argv_(argv) {}

  // Returns when the program is loaded. Of a failure `failed` says which system call it was.
  bool Run() {
    // A handler of the host's must not run in a clone; the program is to unblock what it wants.
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    // No signal tells of its end, which is for nobody but us.
    const int pid = clone(MakeProgram, stacks_[0].end(), CLONE_VM | CLONE_VFORK, this);
    if (pid < 0) Fail("clone");
    while (pid >= 0 && waitpid(pid, nullptr, __WALL) < 0 && errno == EINTR) {
    }
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    return error_ == 0;
  }

  int error() const { return error_; }
  const char* failed() const { return failed_; }

 private:
  struct Stack {
    std::vector<uint8_t> bytes = std::vector<uint8_t>(32 * 1024);
    void* end() { return bytes.data() + bytes.size(); }
  };

  static int MakeProgram(void* self) {
    auto* start = static_cast<DaemonStart*>(self);
    if (clone(BecomeProgram, start->stacks_[1].end(), CLONE_VM | CLONE_VFORK | SIGCHLD, self) < 0) start->Fail("clone");
    _exit(0);
  }

  static int BecomeProgram(void* self) {
    auto* start = static_cast<DaemonStart*>(self);
    if (start->PlaceDescriptors()) {
      char* environment[] = {nullptr};
      execve(start->path_.c_str(), start->argv_, environment);
      start->Fail("execve");
    }
    _exit(0);
  }

  bool PlaceDescriptors() {
    // The socket first: it might be 0, 1 or 2 itself if the host closed those.
    const bool placed = socket_ == kChildSocket ? fcntl(socket_, F_SETFD, 0) == 0 : dup2(socket_, kChildSocket) >= 0;
    if (!placed) return Fail("dup2");
    const int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null < 0) return Fail("open");
    for (int fd = 0; fd <= 2; fd++) {
      if (fd == null ? fcntl(fd, F_SETFD, 0) < 0 : dup2(null, fd) < 0) return Fail("dup2");
    }
    return true;
  }

  bool Fail(const char* syscall) {
    error_ = errno;
    failed_ = syscall;
    return false;
  }

  const std::string path_;
  const int socket_;
  char* const* const argv_;
  Stack stacks_[2];
  int error_ = 0;
  const char* failed_ = "";
};

class SpawnTask final : public Task {
 public:
  SpawnTask(Napi::Env env, Fd executable, Fd socket, std::vector<std::string> argv)
      : Task(env), executable_(std::move(executable)), socket_(std::move(socket)), argv_(std::move(argv)) {}

 private:
  void Run() final {
    // Ours is closed as soon as the child has its own, so that the other end sees the child go.
    const Fd socket = std::move(socket_);
    std::vector<char*> argv;
    for (std::string& argument : argv_) argv.push_back(argument.data());
    argv.push_back(nullptr);
    DaemonStart start(executable_.get(), socket.get(), argv.data());
    if (!start.Run()) Fail(start.error(), start.failed());
  }

  Napi::Value Result(Napi::Env env) final { return env.Undefined(); }

  Fd executable_;
  Fd socket_;
  std::vector<std::string> argv_;
};

Napi::Value Spawn(const Napi::CallbackInfo& info) {
  // A duplicate, so that the caller may close his, above the descriptors that the child is given.
  Fd executable(fcntl(info[0].As<Napi::Number>().Int32Value(), F_DUPFD_CLOEXEC, 10));
  if (!executable.valid()) {
    SystemError(info.Env(), errno, "fcntl").ThrowAsJavaScriptException();
    return info.Env().Undefined();
  }
  Napi::Array list = info[1].As<Napi::Array>();
  std::vector<std::string> argv;
  for (uint32_t i = 0; i < list.Length(); i++) argv.push_back(Napi::Value(list[i]).ToString().Utf8Value());
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) {
    SystemError(info.Env(), errno, "socketpair").ThrowAsJavaScriptException();
    return info.Env().Undefined();
  }
  Napi::Object spawned = Napi::Object::New(info.Env());
  spawned.Set("socket", Napi::Number::New(info.Env(), pair[0]));
  spawned.Set("started", (new SpawnTask(info.Env(), std::move(executable), Fd(pair[1]), std::move(argv)))->Start());
  return spawned;
}

Napi::Value PidfdOpen(const Napi::CallbackInfo& info) {
  long fd = syscall(SYS_pidfd_open, info[0].As<Napi::Number>().Int32Value(), 0);
  if (fd < 0) SystemError(info.Env(), errno, "pidfd_open").ThrowAsJavaScriptException();
  return Napi::Number::New(info.Env(), static_cast<double>(fd));
}

void PidfdSendSignal(const Napi::CallbackInfo& info) {
  int fd = info[0].As<Napi::Number>().Int32Value();
  int signal = info[1].As<Napi::Number>().Int32Value();
  if (syscall(SYS_pidfd_send_signal, fd, signal, nullptr, 0) != 0) {
    SystemError(info.Env(), errno, "pidfd_send_signal").ThrowAsJavaScriptException();
  }
}

void CloseFd(const Napi::CallbackInfo& info) {
  if (close(info[0].As<Napi::Number>().Int32Value()) != 0) {
    SystemError(info.Env(), errno, "close").ThrowAsJavaScriptException();
  }
}

}  // namespace

void InitProcess(Napi::Env env, Napi::Object exports) {
  exports.Set("sealedExecutable", Napi::Function::New(env, SealedExecutable));
  exports.Set("spawn", Napi::Function::New(env, Spawn));
  exports.Set("pidfdOpen", Napi::Function::New(env, PidfdOpen));
  exports.Set("pidfdSendSignal", Napi::Function::New(env, PidfdSendSignal));
  exports.Set("closeFd", Napi::Function::New(env, CloseFd));
}

}  // namespace gantry
