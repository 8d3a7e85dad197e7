// The last steps: the barrier, the working folder, the exec.
#include <limits.h>
#include <linux/close_range.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "channel.h"
#include "first-process.h"
#include "rights.h"
#include "system-calls.h"
#include "text-buffer.h"
#include "text-vector.h"

namespace gantry {
namespace {

constexpr char kDefaultPath[] = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

// False if the shim is gone.
bool Tell(const FirstProcess& process, ChannelPacket packet) {
  return send(process.channel.get(), &packet, sizeof packet, MSG_NOSIGNAL) == sizeof packet;
}

bool TellReady(FirstProcess& process) {
  constexpr ChannelPacket kPacket = ChannelPacket::kReady;
  if (!process.mounts.valid()) return Tell(process, kPacket);
  ssize_t sent = SendWithRight(process.channel.get(), &kPacket, sizeof kPacket, MSG_NOSIGNAL, process.mounts.get());
  process.mounts.Close();
  return sent == sizeof kPacket;
}

const char* SearchPath(char* const* environment) {
  for (; *environment != nullptr; environment++) {
    if (strncmp(*environment, "PATH=", 5) == 0) return *environment + 5;
  }
  return kDefaultPath;
}

// As execvpe(3), except that a file which is neither a program nor has `#!` is not given to a shell. Returns the errno.
int Execute(char* const* argv, char* const* environment) {
  const char* name = argv[0];
  if (name[0] == 0) return ENOENT;
  if (strchr(name, '/') != nullptr) {
    execve(name, argv, environment);
    return errno;
  }
  int result = ENOENT;
  for (const char* folder = SearchPath(environment);;) {
    size_t size = strcspn(folder, ":");
    TextBuffer<PATH_MAX - 1> path;
    // An empty entry is the current folder.
    path.Add(size == 0 ? "." : folder, size == 0 ? 1 : size).Add("/").Add(name);
    if (!path.full()) {
      execve(path.c_str(), argv, environment);
      if (errno == EACCES) {
        result = EACCES;
      } else if (errno != ENOENT && errno != ENOTDIR) {
        return errno;
      }
    }
    if (folder[size] == 0) return result;
    folder += size + 1;
  }
}

}  // namespace

Result Perform(FirstProcess& process, const ReadyStep&) {
  if (process.ready) return Failure(EPROTO, "a second barrier");
  process.ready = true;
  if (!TellReady(process)) _exit(1);
  if (process.released) return kOk;
  if (AwaitPacket(process) != ChannelPacket::kRelease) _exit(1);
  return kOk;
}

Result Perform(FirstProcess&, const ChdirStep& step) {
  if (chdir(step.path.data) != 0) return CallFailure("chdir", step.path.data);
  // The kernel says "(unreachable)" of a folder outside the root, such as one entered through a leaked descriptor.
  char folder[PATH_MAX];
  if (syscall(SYS_getcwd, folder, sizeof folder) < 0) return CallFailure("getcwd", step.path.data);
  return folder[0] == '/' ? kOk : Failure(EXDEV, "outside the root", step.path.data);
}

Result BeginRunning(FirstProcess& process) {
  if (!process.ready) return Failure(EPROTO, "no barrier");
  if (Result result = ApplyCapabilities(process); !result.ok()) return result;
  if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) return CallFailure("PR_SET_PDEATHSIG");
  // The shim's own program holds nothing of the host's; those who enter its namespaces must be able to open them.
  if (process.users == UserNamespace::kOwn && prctl(PR_SET_DUMPABLE, 1) != 0) return CallFailure("PR_SET_DUMPABLE");
  if (Result result = ApplyFilter(process); !result.ok()) return result;
  if (!Tell(process, ChannelPacket::kExecuting)) _exit(1);
  process.channel.Close();
  return kOk;
}

Result Perform(FirstProcess& process, const ExecStep& step) {
  if (!process.ready) return Failure(EPROTO, "no barrier before the exec");
  if (step.argv.count == 0) return Failure(EINVAL, "no arguments");
  char** argv = nullptr;
  char** environment = nullptr;
  if (Result result = ReadVector(step.argv, &argv); !result.ok()) return result;
  if (Result result = ReadVector(step.env, &environment); !result.ok()) return result;
  if (Result result = ApplyCapabilities(process); !result.ok()) return result;
  // Not closed at once: the channel still has to tell whether the exec succeeds.
  if (CloseRange(3, ~0U, CLOSE_RANGE_CLOEXEC) != 0) return CallFailure("close_range");
  umask(process.umask);

  // A user change clears it. If the shim died before this, telling it fails; if it dies later, the signal comes.
  if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) return CallFailure("PR_SET_PDEATHSIG");
  if (!Tell(process, ChannelPacket::kExecuting)) _exit(1);

  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  if (Result result = ApplyFilter(process); !result.ok()) return result;
  return Failure(Execute(argv, environment), "execve", argv[0]);
}

}  // namespace gantry
