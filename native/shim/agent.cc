#include "agent.h"

#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

namespace gantry {

Result ConnectAgent(const Text& path, Fd* out) {
  if (path.empty()) return kOk;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size >= sizeof address.sun_path) return Failure(ENAMETOOLONG, "connect", path.data);
  memcpy(address.sun_path, path.data, path.size);
  *out = Fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!out->valid()) return CallFailure("socket");
  long connected = syscall(SYS_connect, out->get(), &address, sizeof address);
  return connected == 0 ? kOk : CallFailure("connect", path.data);
}

}  // namespace gantry
