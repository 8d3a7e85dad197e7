// Descriptors that processes hand to each other: pipes, and Unix sockets that carry them.
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "system.h"

namespace gantry {
namespace {

constexpr uint32_t kMostDescriptors = 16;

Napi::Value Throw(Napi::Env env, const char* call, const std::string& path = {}) {
  SystemError(env, errno, call, path).ThrowAsJavaScriptException();
  return env.Undefined();
}

Napi::Value Pipe(const Napi::CallbackInfo& info) {
  int pair[2];
  if (pipe2(pair, O_CLOEXEC) != 0) return Throw(info.Env(), "pipe2");
  Napi::Object ends = Napi::Object::New(info.Env());
  ends.Set("read", Napi::Number::New(info.Env(), pair[0]));
  ends.Set("write", Napi::Number::New(info.Env(), pair[1]));
  return ends;
}

Napi::Value ConnectUnix(const Napi::CallbackInfo& info) {
  std::string path = info[0].ToString().Utf8Value();
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) return errno = ENAMETOOLONG, Throw(info.Env(), "connect", path);
  memcpy(address.sun_path, path.data(), path.size());
  // Non-blocking: a listener whose queue is full is an error rather than a wait.
  Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket.valid()) return Throw(info.Env(), "socket");
  int connected = connect(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address);
  if (connected != 0) return Throw(info.Env(), "connect", path);
  return Napi::Number::New(info.Env(), socket.release());
}

Napi::Value SendDescriptors(const Napi::CallbackInfo& info) {
  int socket = info[0].As<Napi::Number>().Int32Value();
  Napi::Uint8Array bytes = info[1].As<Napi::Uint8Array>();
  Napi::Array list = info[2].As<Napi::Array>();
  uint32_t count = list.Length();
  if (count > kMostDescriptors) return errno = EINVAL, Throw(info.Env(), "sendmsg");
  int fds[kMostDescriptors];
  for (uint32_t i = 0; i < count; i++) fds[i] = Napi::Value(list[i]).ToNumber().Int32Value();

  alignas(cmsghdr) uint8_t control[CMSG_SPACE(sizeof fds)] = {};
  iovec part{bytes.Data(), bytes.ByteLength()};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = CMSG_SPACE(sizeof(int) * count);
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof(int) * count);
  memcpy(CMSG_DATA(header), fds, sizeof(int) * count);
  ssize_t sent = sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
  if (sent < 0) return Throw(info.Env(), "sendmsg");
  return Napi::Number::New(info.Env(), static_cast<double>(sent));
}

}  // namespace

void InitDescriptors(Napi::Env env, Napi::Object exports) {
  exports.Set("pipe", Napi::Function::New(env, Pipe));
  exports.Set("connectUnix", Napi::Function::New(env, ConnectUnix));
  exports.Set("sendDescriptors", Napi::Function::New(env, SendDescriptors));
}

}  // namespace gantry
