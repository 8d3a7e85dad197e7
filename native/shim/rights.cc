#include "rights.h"

#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

namespace gantry {
namespace {

constexpr int kMostRights = 3;

}  // namespace

ssize_t ReceiveWithRights(int socket, void* bytes, size_t size, int flags, Fd* out, int room) {
  alignas(cmsghdr) uint8_t control[CMSG_SPACE(sizeof(int) * kMostRights)];
  iovec part{bytes, size};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  // Not the space, which may have room for one more: the kernel closes those that do not fit.
  message.msg_controllen = CMSG_LEN(sizeof(int) * static_cast<size_t>(room < kMostRights ? room : kMostRights));
  ssize_t received = recvmsg(socket, &message, flags | MSG_CMSG_CLOEXEC);
  cmsghdr* header = received > 0 ? CMSG_FIRSTHDR(&message) : nullptr;
  if (header == nullptr || header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) return received;
  size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
  for (size_t i = 0; i < count; i++) {
    int fd;
    memcpy(&fd, CMSG_DATA(header) + i * sizeof fd, sizeof fd);
    // Those of an earlier message, if any, are closed.
    out[i] = Fd(fd);
  }
  return received;
}

ssize_t SendWithRight(int socket, const void* bytes, size_t size, int flags, int fd) {
  alignas(cmsghdr) uint8_t control[CMSG_SPACE(sizeof fd)] = {};
  iovec part{const_cast<void*>(bytes), size};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof fd);
  memcpy(CMSG_DATA(header), &fd, sizeof fd);
  return sendmsg(socket, &message, flags);
}

}  // namespace gantry
