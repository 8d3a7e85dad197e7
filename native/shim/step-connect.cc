// A process that connects to a port of the network namespace it is in, and copies between that and its streams.
#include <netinet/in.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "first-process.h"
#include "system-calls.h"

namespace gantry {
namespace {

constexpr size_t kPiece = 16 * 1024;

uint16_t NetworkOrder(uint16_t value) { return __builtin_bswap16(value); }

Result Connect(const sockaddr* address, socklen_t size, Fd* out) {
  *out = Fd(socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!out->valid()) return CallFailure("socket");
  int result;
  do {
    result = static_cast<int>(syscall(SYS_connect, out->get(), address, size));
  } while (result != 0 && errno == EINTR);
  return result == 0 ? kOk : CallFailure("connect");
}

Result ConnectToLoopback(uint16_t port, Fd* out) {
  sockaddr_in four{};
  four.sin_family = AF_INET;
  four.sin_port = NetworkOrder(port);
  four.sin_addr.s_addr = __builtin_bswap32(INADDR_LOOPBACK);
  Result result = Connect(reinterpret_cast<sockaddr*>(&four), sizeof four, out);
  if (result.ok() || result.error != ECONNREFUSED) return result;
  sockaddr_in6 six{};
  six.sin6_family = AF_INET6;
  six.sin6_port = NetworkOrder(port);
  six.sin6_addr.s6_addr[15] = 1;
  // That there is no IPv6 says less than that nobody listens.
  return Connect(reinterpret_cast<sockaddr*>(&six), sizeof six, out).ok() ? kOk : result;
}

// False if it does not take them all.
bool WriteAll(int to, const char* bytes, ssize_t size) {
  while (size > 0) {
    ssize_t written = write(to, bytes, static_cast<size_t>(size));
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    bytes += written;
    size -= written;
  }
  return true;
}

// Until the end of `from`, or until `to` takes no more. Not by splice(2), which holds a pipe's lock while it waits for the
// socket: so long, the host program would stand still in a read that is not to block.
void CopyAll(int from, int to) {
  char piece[kPiece];
  for (;;) {
    ssize_t size = read(from, piece, sizeof piece);
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0 || !WriteAll(to, piece, size)) return;
  }
}

}  // namespace

Result Perform(FirstProcess& process, const ConnectStep& step) {
  if (step.port == 0 || step.port > UINT16_MAX) return Failure(EINVAL, "port");
  Fd peer;
  if (Result result = ConnectToLoopback(static_cast<uint16_t>(step.port), &peer); !result.ok()) return result;
  // So that a socket which was closed is an error like any other.
  signal(SIGPIPE, SIG_IGN);
  pid_t self = getpid();
  pid_t sender = fork();
  if (sender < 0) return CallFailure("fork");
  if (sender == 0) {
    process.channel.Close();
    // It may be that the one who copies the other way has ended before that could be told.
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || syscall(SYS_getppid) != self) _exit(1);
    close(1);
    CopyAll(0, peer.get());
    shutdown(peer.get(), SHUT_WR);
    _exit(0);
  }
  close(0);
  if (Result result = BeginRunning(process); !result.ok()) return result;
  CopyAll(peer.get(), 1);
  close(1);
  waitpid(sender, nullptr, 0);
  _exit(0);
}

}  // namespace gantry
