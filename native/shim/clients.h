// The host programs that are connected: the one that launches, and any that come over the path socket.
#pragma once

#include "entered-process.h"
#include "fd.h"
#include "frame.h"

namespace gantry {

// A message of a client, decoded. The fields are as the message code says; what `enter` says stays with the client.
struct Request {
  HostMessage code;
  uint32_t request = 0;
  int32_t signal = 0;
  bool joined = false;
  uint32_t columns = 0;
  uint32_t rows = 0;
};

class Clients {
 public:
  static constexpr int kLauncher = 0;
  static constexpr int kMost = 33;
  static constexpr int kMostLinger = 1000;  // ms

  explicit Clients(Fd launcher);

  // Creates the path socket in the current folder, usable by root and the shim's user only.
  Result Listen();
  // Removes the path socket; who has connected already can still be accepted.
  void Remove();

  // Takes one waiting connection and sends it the frame. False if there is none.
  bool Accept(const Frame& hello);

  bool Connected(int client) const { return clients_[client].socket.valid() && !clients_[client].finished; }
  // Receives what the client has sent. A client that has closed, or sends what is no message, is dropped.
  void Receive(int client);
  // Takes the next whole message that was received.
  bool Next(int client, Request* out);
  void Drop(int client) { clients_[client] = {}; }
  // Says that nothing more comes, and drops the client once it has closed: one that is just sending would else lose, by
  // the failure to send, what it has yet to receive.
  void Finish(int client);
  // Finishes all, and waits for them to close, but not for one that does nothing for `kMostLinger`.
  void FinishAll();

  // Of a client whose message is `enter`.
  const FrameMemory& EnterFrame(int client) const { return clients_[client].enter; }
  // The descriptors that came with the message, which go with the call.
  Streams TakeStreams(int client) { return static_cast<Streams&&>(clients_[client].streams); }
  // Gives back the memory of that message.
  void ForgetEnter(int client) { clients_[client].enter = {}; }
  // Keeps the place of a client that has gone from being given to another.
  void Hold(int client, bool held) { held_[client] = held; }

  // Sends, or drops the client: one that does not read is not waited for.
  void Send(int client, const Frame& frame);
  void SendAll(const Frame& frame);

  // For those who wait: the listening socket, and a client's; -1 if there is none.
  int listener() const { return listener_.get(); }
  int socket(int client) const { return clients_[client].socket.get(); }

 private:
  struct Client {
    Fd socket;
    bool finished = false;
    uint8_t bytes[64];
    uint32_t size = 0;
    // An `enter` message is too long for `bytes`; it is a client's only one.
    FrameMemory enter;
    Streams streams;
  };

  int FreePlace() const;
  // Receives into memory; keeps descriptors that come along. As recv.
  ssize_t ReceiveInto(Client& from, void* bytes, size_t size);
  // True if the next message of the client is an `enter` that is there whole, false if more has to come. Drops the
  // client if it is none.
  bool NextEnter(int client, uint32_t length, Request* out);

  Fd listener_;
  Client clients_[kMost];
  bool held_[kMost] = {};
};

}  // namespace gantry
