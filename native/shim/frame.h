// Frames on a stream socket: u32 length, then that many bytes.
#pragma once

#include <utility>

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

// The bytes of a frame after its length. The memory is shared with clones made meanwhile, so that a frame which comes
// after the clone need not be passed on, and is given back with the scope.
class FrameMemory {
 public:
  FrameMemory() = default;
  FrameMemory(FrameMemory&& other) noexcept : shared_(std::exchange(other.shared_, nullptr)), missing_(other.missing_) {}
  FrameMemory& operator=(FrameMemory&& other) noexcept {
    std::swap(shared_, other.shared_);
    std::swap(missing_, other.missing_);
    return *this;
  }
  FrameMemory(const FrameMemory&) = delete;
  FrameMemory& operator=(const FrameMemory&) = delete;
  ~FrameMemory();

  Result Map();
  bool mapped() const { return shared_ != nullptr; }

  // Waits for a whole frame. ECONNRESET if the host closes before its end, EMSGSIZE if it is longer than allowed.
  Result Receive(int socket);

  // For a frame that comes in pieces, once it is mapped: how long it will be (EMSGSIZE if it is longer than allowed),
  // and where the next piece of up to `missing` bytes goes.
  Result Begin(uint32_t length);
  uint32_t missing() const { return missing_; }
  uint8_t* room() { return shared_->bytes + (shared_->size - missing_); }
  void Filled(uint32_t size) { missing_ -= size; }

  // Room for a process id, which a clone can leave to whoever shares the memory.
  int* process() const { return &shared_->process; }

  FieldReader Fields() const { return FieldReader(shared_->bytes, shared_->size); }

 private:
  struct Shared {
    uint32_t size;
    int process;
    uint8_t bytes[kMaxFrame];
  };

  Shared* shared_ = nullptr;
  uint32_t missing_ = 0;
};

}  // namespace gantry
