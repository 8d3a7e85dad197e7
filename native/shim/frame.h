// Frames on a stream socket: u32 length, then that many bytes.
#pragma once

#include "fd.h"
#include "protocol.generated.h"
#include "result.h"

namespace gantry {

// A message for the host. A path or name that is longer than the room is shortened: it is for people to read.
struct Frame {
  uint8_t bytes[2048];
  uint32_t size = 0;
};

template <typename Message>
Frame MakeFrame(const Message& message) {
  Frame frame;
  FieldWriter body(frame.bytes + sizeof(uint32_t), sizeof frame.bytes - sizeof(uint32_t));
  Write(body, message);
  uint32_t length = static_cast<uint32_t>(body.size());
  memcpy(frame.bytes, &length, sizeof length);
  frame.size = length + static_cast<uint32_t>(sizeof length);
  return frame;
}

// The `failed` message of a result; `op` is a step's name or "shim".
Frame FailedFrame(uint32_t step, const char* op, const Result& result);

// Sends without waiting. False if the peer is gone or does not take it all: it is not worth keeping then.
bool SendFrame(int socket, const Frame& frame);

// The launch frame's bytes after its length, in memory of their own that is given back with the scope.
class LaunchFrame {
 public:
  LaunchFrame() = default;
  LaunchFrame(const LaunchFrame&) = delete;
  LaunchFrame& operator=(const LaunchFrame&) = delete;
  ~LaunchFrame();

  // Waits for the whole frame. ECONNRESET if the host closes before its end, EMSGSIZE if it is longer than allowed.
  Result Receive(int socket);
  FieldReader Fields() const { return FieldReader(bytes_, size_); }

 private:
  uint8_t* bytes_ = nullptr;
  size_t size_ = 0;
};

}  // namespace gantry
