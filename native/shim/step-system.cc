// Steps that set up the container's namespaces: host name, kernel parameters, loopback, keyring.
#include <fcntl.h>
#include <linux/keyctl.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "first-process.h"
#include "system-calls.h"

namespace gantry {

Result Perform(FirstProcess&, const HostnameStep& step) {
  return sethostname(step.name.data, step.name.size) == 0 ? kOk : CallFailure("sethostname", step.name.data);
}

Result Perform(FirstProcess& process, const SysctlStep& step) {
  Fd folder(openat(process.procfs.get(), "sys", O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!folder.valid()) return CallFailure("open", "/proc/sys");
  // What /proc/sys shows follows the namespaces of the caller, not of the mount.
  Fd file(OpenAt2(folder.get(), step.path.data, O_WRONLY | O_CLOEXEC, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS));
  if (!file.valid()) return CallFailure("open", step.path.data);
  ssize_t written = write(file.get(), step.value.data, step.value.size);
  if (written < 0) return CallFailure("write", step.path.data);
  return written == static_cast<ssize_t>(step.value.size) ? kOk : Failure(EIO, "write", step.path.data);
}

Result Perform(FirstProcess&, const LoopbackUpStep&) {
  Fd control(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!control.valid()) return CallFailure("socket");
  ifreq request{};
  strcpy(request.ifr_name, "lo");
  if (ioctl(control.get(), SIOCGIFFLAGS, &request) != 0) return CallFailure("SIOCGIFFLAGS", "lo");
  request.ifr_flags |= IFF_UP;
  return ioctl(control.get(), SIOCSIFFLAGS, &request) == 0 ? kOk : CallFailure("SIOCSIFFLAGS", "lo");
}

Result Perform(FirstProcess&, const SessionKeyringStep&) {
  if (syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, nullptr) >= 0) return kOk;
  return errno == ENOSYS || errno == EDQUOT ? kOk : CallFailure("keyctl");
}

}  // namespace gantry
