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

// The bytes of received frames after their lengths. The memory is shared with clones made meanwhile, so that a frame
// which comes after the clone need not be passed on, and is given back with the scope.
class FrameMemory {
 public:
  FrameMemory() = default;
  FrameMemory(const FrameMemory&) = delete;
  FrameMemory& operator=(const FrameMemory&) = delete;
  ~FrameMemory();

  Result Map();
  // Waits for a whole frame, in place of the one before. ECONNRESET if the host closes before its end, EMSGSIZE if it is
  // longer than allowed.
  Result Receive(int socket);
  FieldReader Fields() const { return FieldReader(shared_->bytes, shared_->size); }

 private:
  struct Shared {
    uint32_t size;
    uint8_t bytes[kMaxFrame];
  };

  Shared* shared_ = nullptr;
};

}  // namespace gantry
