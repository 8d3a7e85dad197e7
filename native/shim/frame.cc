#include "frame.h"

#include <sys/mman.h>
#include <sys/socket.h>

#include "text-buffer.h"

namespace gantry {

Frame FailedFrame(uint32_t step, const char* op, const Result& result) {
  TextBuffer<512> name;
  name.Add(op);
  if (result.detail[0] != 0) name.Add(": ").Add(result.detail);
  FailedMessage failed;
  failed.step = step;
  failed.name = {name.c_str(), static_cast<uint32_t>(name.size())};
  failed.errno_ = result.error;
  failed.path = {result.path, static_cast<uint32_t>(strnlen(result.path, 4096))};
  return MakeFrame(failed);
}

bool SendFrame(int socket, const Frame& frame) {
  ssize_t sent = send(socket, frame.bytes, frame.size, MSG_DONTWAIT | MSG_NOSIGNAL);
  return sent == static_cast<ssize_t>(frame.size);
}

static Result ReceiveAll(int socket, void* bytes, size_t size) {
  for (size_t done = 0; done < size;) {
    ssize_t got = recv(socket, static_cast<uint8_t*>(bytes) + done, size - done, MSG_WAITALL);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return CallFailure("recv");
    if (got == 0) return Failure(ECONNRESET, "recv");
    done += static_cast<size_t>(got);
  }
  return kOk;
}

Result FrameMemory::Map() {
  void* memory = mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return CallFailure("mmap");
  shared_ = static_cast<Shared*>(memory);
  return kOk;
}

Result FrameMemory::Begin(uint32_t length) {
  if (length == 0 || length > kMaxFrame) return Failure(EMSGSIZE, "frame");
  shared_->size = missing_ = length;
  return kOk;
}

Result FrameMemory::Receive(int socket) {
  uint32_t length;
  if (Result result = ReceiveAll(socket, &length, sizeof length); !result.ok()) return result;
  if (Result result = Begin(length); !result.ok()) return result;
  if (Result result = ReceiveAll(socket, room(), missing()); !result.ok()) return result;
  Filled(length);
  return kOk;
}

FrameMemory::~FrameMemory() {
  if (shared_ != nullptr) munmap(shared_, sizeof(Shared));
}

}  // namespace gantry
