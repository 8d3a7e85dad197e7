#include "blob-reader.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

#include <algorithm>
#include <chrono>
#include <new>

namespace gantry {

namespace {

constexpr size_t kInputSize = 256 * 1024;

// `Next` returns now and then, since a JavaScript thread that is to end cannot do so within a call.
constexpr auto kLongestWait = std::chrono::milliseconds(20);

}  // namespace

int BlobReader::Thread::Start(BlobReader& reader, void (BlobReader::*run)()) {
  reader_ = &reader;
  run_ = run;
  // Signals are for the threads of the host program.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  const int error = pthread_create(
      &thread_, nullptr,
      [](void* argument) -> void* {
        auto* self = static_cast<Thread*>(argument);
        (self->reader_->*self->run_)();
        return nullptr;
      },
      this);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (error != 0) reader_ = nullptr;
  return error;
}

void BlobReader::Thread::Join() {
  if (reader_ != nullptr) pthread_join(thread_, nullptr);
  reader_ = nullptr;
}

int BlobReader::Start() {
  memory_.reset(static_cast<uint8_t*>(malloc(kMemorySize)), free);
  if (compression_ == Compression::kGzip) inputMemory_.reset(new (std::nothrow) uint8_t[kInputSize]);
  if (!memory_ || (compression_ == Compression::kGzip && !inputMemory_)) return ENOMEM;
  const int error = inflating_.Start(*this, &BlobReader::Inflate);
  return error != 0 ? error : hashing_.Start(*this, &BlobReader::Hash);
}

void BlobReader::Stop() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  changed_.notify_all();
  inflating_.Join();
  hashing_.Join();
}

void BlobReader::Allow(uint64_t bytes, bool isComplete) {
  {
    const std::lock_guard lock(mutex_);
    allowed_ = std::max(allowed_, bytes);
    isComplete_ = isComplete_ || isComplete;
    if (isComplete_ || allowed_ > position_) starved_ = false;
  }
  changed_.notify_all();
}

BlobReader::Found BlobReader::Next(Piece& piece) {
  std::unique_lock lock(mutex_);
  if (isTaken_) {
    isTaken_ = false;
    released_++;
    changed_.notify_all();
  }
  changed_.wait_for(lock, kLongestWait, [this] {
    const bool isOver = last_ == Fill::kEnd ? isHashed_ : last_ != Fill::kGoesOn;
    return released_ < filled_ || isOver || starved_ || stop_;
  });
  if (released_ < filled_) {
    piece = PieceAt(released_);
    isTaken_ = true;
    return Found::kPiece;
  }
  switch (last_) {
    case Fill::kEnd:
      return isHashed_ ? Found::kEnd : Found::kNothing;
    case Fill::kMalformed:
      return Found::kMalformed;
    case Fill::kSystemError:
      return Found::kSystemError;
    default:
      return starved_ ? Found::kStarved : Found::kNothing;
  }
}

uint64_t BlobReader::position() {
  const std::lock_guard lock(mutex_);
  return position_;
}

void BlobReader::Inflate() {
  const uint8_t* previousEnd = nullptr;
  for (unsigned index = 0; AwaitFreePiece(); index = (index + 1) % kPieces) {
    uint8_t* const floor = memory_.get() + index * (inflate::kWindowSize + kPieceSize);
    uint8_t* const start = floor + inflate::kWindowSize;
    // All pieces but the last are full, and larger than the window.
    if (previousEnd) memcpy(floor, previousEnd - inflate::kWindowSize, inflate::kWindowSize);
    uint8_t* out = start;
    const Fill fill = FillPiece(previousEnd ? floor : start, out, start + kPieceSize);
    Publish(static_cast<size_t>(out - start), fill);
    if (fill != Fill::kGoesOn) return;
    previousEnd = out;
  }
}

void BlobReader::Hash() {
  for (Piece piece; AwaitFilledPiece(piece);) {
    digest_.Update(memory_.get() + piece.offset, piece.size);
    {
      const std::lock_guard lock(mutex_);
      hashed_++;
    }
    changed_.notify_all();
  }
  std::vector<uint8_t> finished = digest_.Finish();
  {
    const std::lock_guard lock(mutex_);
    finished_ = std::move(finished);
    isHashed_ = true;
  }
  changed_.notify_all();
}

bool BlobReader::AwaitFilledPiece(Piece& piece) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return hashed_ < filled_ || last_ != Fill::kGoesOn || stop_; });
  if (hashed_ == filled_ || stop_) return false;
  piece = PieceAt(hashed_);
  return true;
}

bool BlobReader::AwaitFreePiece() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return filled_ - std::min(hashed_, released_) < kPieces || stop_; });
  return !stop_;
}

BlobReader::Piece BlobReader::PieceAt(uint64_t number) const {
  const unsigned index = number % kPieces;
  return {index * (inflate::kWindowSize + kPieceSize) + inflate::kWindowSize, sizes_[index]};
}

// What came before a fault is handed over like the rest.
void BlobReader::Publish(size_t size, Fill fill) {
  {
    const std::lock_guard lock(mutex_);
    if (size > 0) sizes_[filled_++ % kPieces] = size;
    last_ = fill;
  }
  changed_.notify_all();
}

BlobReader::Fill BlobReader::FillPiece(const uint8_t* floor, uint8_t*& out, uint8_t* end) {
  return compression_ == Compression::kGzip ? FillInflated(floor, out, end) : FillPlain(out, end);
}

BlobReader::Fill BlobReader::FillPlain(uint8_t*& out, uint8_t* end) {
  while (out < end) {
    size_t size = 0;
    const Fill fill = Read(out, static_cast<size_t>(end - out), size);
    if (fill != Fill::kGoesOn) return fill;
    out += size;
  }
  return Fill::kGoesOn;
}

BlobReader::Fill BlobReader::FillInflated(const uint8_t* floor, uint8_t*& out, uint8_t* end) {
  for (;;) {
    const inflate::Status status = gzip_.Run(input_, floor, out, end);
    if (status == inflate::Status::kNeedsOutput) return Fill::kGoesOn;
    if (status == inflate::Status::kFailed) return Malformed(gzip_.error());
    size_t size = 0;
    const Fill fill = Read(inputMemory_.get(), kInputSize, size);
    if (fill == Fill::kEnd && !gzip_.MayEnd(input_)) return Malformed("it is cut short");
    if (fill != Fill::kGoesOn) return fill;
    input_.next = inputMemory_.get();
    input_.end = input_.next + size;
  }
}

BlobReader::Fill BlobReader::Malformed(const char* problem) {
  problem_ = problem;
  return Fill::kMalformed;
}

BlobReader::Fill BlobReader::Read(uint8_t* to, size_t most, size_t& size) {
  uint64_t at, allowed;
  {
    std::unique_lock lock(mutex_);
    if (position_ >= allowed_ && !isComplete_ && !stop_) {
      starved_ = true;
      changed_.notify_all();
      changed_.wait(lock, [this] { return !starved_ || stop_; });
    }
    if (stop_) return Fill::kStopped;
    if (position_ >= allowed_) return Fill::kEnd;
    at = position_;
    allowed = allowed_;
  }
  ssize_t got;
  do {
    got = pread(file_.get(), to, static_cast<size_t>(std::min<uint64_t>(most, allowed - at)), static_cast<off_t>(at));
  } while (got < 0 && errno == EINTR);
  if (got < 0) {
    error_ = errno;
    return Fill::kSystemError;
  }
  // A file that is shorter than it was said to be ends here: what is missing shows in the digest.
  if (got == 0) return Fill::kEnd;
  size = static_cast<size_t>(got);
  const std::lock_guard lock(mutex_);
  position_ += size;
  return Fill::kGoesOn;
}

}  // namespace gantry
