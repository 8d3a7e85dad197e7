#include "user-namespace-program.h"

#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "daemon.h"
#include "fd.h"
#include "result.h"
#include "system-calls.h"
#include "text-buffer.h"

namespace gantry {
namespace {

// What comes after the socket, for one that joins: the process's folder below /proc.
constexpr int kMember = kHostSocket + 1;

Result Tell() {
  constexpr char kThere = 'U';
  return write(kHostSocket, &kThere, 1) == 1 ? kOk : CallFailure("write");
}

Result JoinUsers() {
  Fd users(openat(kMember, "ns/user", O_RDONLY | O_CLOEXEC));
  if (!users.valid()) return CallFailure("open");
  if (syscall(SYS_setns, users.get(), CLONE_NEWUSER) != 0) return CallFailure("setns");
  return Tell();
}

Result MakeUsers() {
  if (unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) return CallFailure("unshare");
  if (Result result = Tell(); !result.ok()) return result;
  char byte;
  ssize_t size = read(kHostSocket, &byte, 1);
  // Else the host is gone.
  return size == 1 ? kOk : Failure(ECONNRESET, "read");
}

Result Enter(bool joins) {
  // What else the host program has is not for the program, in whose namespace others may be.
  CloseRange(joins ? kMember + 1 : kMember, ~0U, 0);
  if (Result result = joins ? JoinUsers() : MakeUsers(); !result.ok()) return result;
  // Denied where there is only one user.
  if (setgroups(0, nullptr) != 0 && errno != EPERM) return CallFailure("setgroups");
  if (setresgid(0, 0, 0) != 0) return CallFailure("setresgid");
  return setresuid(0, 0, 0) == 0 ? kOk : CallFailure("setresuid");
}

}  // namespace

void RunInUserNamespace(char** argv, char** environment) {
  Result result = Enter(strcmp(argv[0], "join") == 0);
  if (result.ok()) {
    execve(argv[1], argv + 1, environment);
    result = CallFailure("execve");
  }
  TextBuffer<16> told;
  told.Add("E").AddNumber(static_cast<uint64_t>(result.error));
  (void)!write(kHostSocket, told.c_str(), told.size());
  _exit(1);
}

}  // namespace gantry
