#include "clients.h"

#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "poll-set.h"
#include "rights.h"

namespace gantry {
namespace {

bool Trusted(int socket) {
  ucred peer;
  socklen_t size = sizeof peer;
  if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) return false;
  return peer.uid == 0 || peer.uid == geteuid();
}

bool Decode(FieldReader body, Request* out) {
  uint8_t code;
  if (!body.Read(&code)) return false;
  out->code = HostMessage{code};
  switch (out->code) {
    case HostMessage::kRelease: {
      ReleaseMessage message;
      return Read(body, &message);
    }
    case HostMessage::kGrouped: {
      GroupedMessage message;
      if (!Read(body, &message)) return false;
      out->joined = message.joined != 0;
      return true;
    }
    case HostMessage::kSignal: {
      SignalMessage message;
      if (!Read(body, &message)) return false;
      out->request = message.request;
      out->signal = message.signal;
      return true;
    }
    case HostMessage::kStatus: {
      StatusMessage message;
      if (!Read(body, &message)) return false;
      out->request = message.request;
      return true;
    }
    case HostMessage::kAttach: {
      AttachMessage message;
      if (!Read(body, &message)) return false;
      out->request = message.request;
      return true;
    }
    case HostMessage::kEndInput: {
      EndInputMessage message;
      return Read(body, &message);
    }
    case HostMessage::kResize: {
      ResizeMessage message;
      if (!Read(body, &message)) return false;
      out->request = message.request;
      out->columns = message.columns;
      out->rows = message.rows;
      return true;
    }
    case HostMessage::kClone:
    case HostMessage::kLaunch:
    case HostMessage::kEnter:
      return false;
  }
  return false;
}

}  // namespace

Clients::Clients(Fd launcher) { clients_[kLauncher].socket = static_cast<Fd&&>(launcher); }

Result Clients::Listen() {
  listener_ = Fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!listener_.valid()) return CallFailure("socket");
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  strcpy(address.sun_path, kSocketFile);
  mode_t mask = umask(0177);
  int bound = bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address);
  int error = errno;
  umask(mask);
  if (bound != 0) {
    // The socket of that name is another's.
    listener_.Close();
    return Failure(error, "bind", kSocketFile);
  }
  return listen(listener_.get(), kMost) == 0 ? kOk : CallFailure("listen", kSocketFile);
}

void Clients::Remove() {
  if (listener_.valid()) unlink(kSocketFile);
}

bool Clients::Accept(const Frame& hello) {
  Fd socket(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (!socket.valid()) return errno == EINTR || errno == ECONNABORTED;
  if (!Trusted(socket.get())) return true;
  int place = FreePlace();
  if (place < 0) {
    // If it does not take even this, it learns of it by the end of the connection.
    (void)SendFrame(socket.get(), FailedFrame(kNoStep, "clients", Failure(EUSERS, "as many as there can be")));
    return true;
  }
  clients_[place].socket = static_cast<Fd&&>(socket);
  Send(place, hello);
  return true;
}

int Clients::FreePlace() const {
  for (int client = kLauncher + 1; client < kMost; client++) {
    if (!clients_[client].socket.valid() && !held_[client]) return client;
  }
  return -1;
}

void Clients::Receive(int client) {
  Client& from = clients_[client];
  // What a finished client has yet to say is passed over.
  if (from.finished) from.size = 0;
  bool entering = from.enter.mapped() && from.enter.missing() > 0;
  ssize_t size = entering ? ReceiveInto(from, from.enter.room(), from.enter.missing())
                          : ReceiveInto(from, from.bytes + from.size, sizeof from.bytes - from.size);
  if (size > 0 && entering) {
    from.enter.Filled(static_cast<uint32_t>(size));
  } else if (size > 0) {
    from.size += static_cast<uint32_t>(size);
  } else if (size == 0 || (errno != EAGAIN && errno != EINTR)) {
    Drop(client);
  }
}

ssize_t Clients::ReceiveInto(Client& from, void* bytes, size_t size) {
  return ReceiveWithRights(from.socket.get(), bytes, size, MSG_DONTWAIT, from.streams.fds, Streams::kCount);
}

bool Clients::Next(int client, Request* out) {
  Client& from = clients_[client];
  uint32_t length;
  if (!Connected(client) || from.size < sizeof length) return false;
  memcpy(&length, from.bytes, sizeof length);
  // The longest message but `enter` is far shorter than the buffer.
  if (length > sizeof from.bytes - sizeof length || from.enter.mapped()) return NextEnter(client, length, out);
  uint32_t whole = length + static_cast<uint32_t>(sizeof length);
  if (from.size < whole) return false;
  if (!Decode(FieldReader(from.bytes + sizeof length, length), out)) {
    Drop(client);
    return false;
  }
  from.size -= whole;
  memmove(from.bytes, from.bytes + whole, from.size);
  return true;
}

bool Clients::NextEnter(int client, uint32_t length, Request* out) {
  Client& from = clients_[client];
  if (!from.enter.mapped()) {
    uint32_t have = from.size - static_cast<uint32_t>(sizeof length);
    bool allowed = client != kLauncher && length <= kMaxFrame;
    if (allowed && have == 0) return false;
    if (!allowed || HostMessage{from.bytes[sizeof length]} != HostMessage::kEnter || !from.enter.Map().ok() ||
        !from.enter.Begin(length).ok()) {
      Drop(client);
      return false;
    }
    memcpy(from.enter.room(), from.bytes + sizeof length, have);
    from.enter.Filled(have);
  }
  if (from.enter.missing() > 0) return false;
  from.size = 0;
  out->code = HostMessage::kEnter;
  return true;
}

void Clients::Finish(int client) {
  if (!Connected(client)) return;
  if (shutdown(clients_[client].socket.get(), SHUT_WR) != 0) return Drop(client);
  clients_[client].finished = true;
}

void Clients::FinishAll() {
  for (int client = 0; client < kMost; client++) Finish(client);
  for (;;) {
    PollSet<kMost> sockets;
    for (int client = 0; client < kMost; client++) sockets.Add(client, socket(client), POLLIN);
    if (sockets.empty() || !sockets.Wait(kMostLinger) || sockets.timedOut()) return;
    for (int client = 0; client < kMost; client++) {
      if (sockets[client]) Receive(client);
    }
  }
}

void Clients::Send(int client, const Frame& frame) {
  if (Connected(client) && !SendFrame(clients_[client].socket.get(), frame)) Drop(client);
}

void Clients::SendAll(const Frame& frame) {
  for (int client = 0; client < kMost; client++) Send(client, frame);
}

}  // namespace gantry
