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
#include "text-buffer.h"

namespace gantry {
namespace {

Result JoinUsers(const char* pid) {
  TextBuffer<48> path;
  path.Add("/proc/").Add(pid, strnlen(pid, 12)).Add("/ns/user");
  Fd users(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!users.valid()) return CallFailure("open");
  return syscall(SYS_setns, users.get(), CLONE_NEWUSER) == 0 ? kOk : CallFailure("setns");
}

Result MakeUsers() {
  if (unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) return CallFailure("unshare");
  char byte = 'U';
  if (write(kHostSocket, &byte, 1) != 1) return CallFailure("write");
  ssize_t size = read(kHostSocket, &byte, 1);
  // Else the host is gone.
  return size == 1 ? kOk : Failure(ECONNRESET, "read");
}

Result Enter(const char* pid) {
  Result result = strcmp(pid, "0") == 0 ? MakeUsers() : JoinUsers(pid);
  if (!result.ok()) return result;
  // Denied where there is only one user.
  if (setgroups(0, nullptr) != 0 && errno != EPERM) return CallFailure("setgroups");
  if (setresgid(0, 0, 0) != 0) return CallFailure("setresgid");
  return setresuid(0, 0, 0) == 0 ? kOk : CallFailure("setresuid");
}

}  // namespace

void RunInUserNamespace(char** argv, char** environment) {
  Result result = Enter(argv[0]);
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
