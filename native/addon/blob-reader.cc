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

int BlobReader::Start() {
  memory_.reset(static_cast<uint8_t*>(malloc(kMemorySize)), free);
  if (compression_ == Compression::kGzip) inputMemory_.reset(new (std::nothrow) uint8_t[kInputSize]);
  if (!memory_ || (compression_ == Compression::kGzip && !inputMemory_)) return ENOMEM;

  // Signals are for the threads of the host program.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  const int error = pthread_create(
      &thread_, nullptr,
      [](void* self) -> void* {
        static_cast<BlobReader*>(self)->Work();
        return nullptr;
      },
      this);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  isStarted_ = error == 0;
  return error;
}

void BlobReader::Stop() {
  if (!isStarted_) return;
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  changed_.notify_all();
  pthread_join(thread_, nullptr);
  isStarted_ = false;
  files_.Clear();
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
    used_++;
    Release();
  }
  const auto isAtEnd = [this] { return last_ != Fill::kGoesOn && (last_ != Fill::kEnd || files_.isDone()); };
  const auto isNews = [&] { return used_ < filled_ || isAtEnd() || files_.fault().error != 0 || starved_ || stop_; };
  const auto deadline = std::chrono::steady_clock::now() + kLongestWait;
  while (!isNews()) {
    if (Help(lock)) continue;
    if (changed_.wait_until(lock, deadline) == std::cv_status::timeout) break;
  }
  if (files_.fault().error != 0) return Found::kFileError;
  if (used_ < filled_) {
    piece = PieceAt(used_);
    isTaken_ = true;
    return Found::kPiece;
  }
  if (!isAtEnd()) return starved_ ? Found::kStarved : Found::kNothing;
  switch (last_) {
    case Fill::kEnd:
      return Found::kEnd;
    case Fill::kMalformed:
      return Found::kMalformed;
    case Fill::kSystemError:
      return Found::kSystemError;
    default:
      return Found::kNothing;
  }
}

bool BlobReader::FinishLater(NewFile& file) {
  const std::lock_guard lock(mutex_);
  if (!isTaken_ || stop_) return false;
  const Piece piece = PieceAt(used_);
  const auto start = reinterpret_cast<uintptr_t>(memory_.get() + piece.offset);
  const auto body = reinterpret_cast<uintptr_t>(file.body.data);
  if (body < start || body + file.body.size > start + piece.size) return false;
  if (!files_.Add(file, used_)) return false;
  bodies_[used_ % kPieces]++;
  // A thread that is woken for one file has cost more than the file.
  if (files_.isWorthWaking()) changed_.notify_all();
  return true;
}

uint64_t BlobReader::position() {
  const std::lock_guard lock(mutex_);
  return position_;
}

void BlobReader::Work() {
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

bool BlobReader::AwaitFreePiece() {
  std::unique_lock lock(mutex_);
  Await(lock, [this] { return filled_ - std::min(hashed_, released_) < kPieces || stop_; });
  return !stop_;
}

template <typename Condition>
void BlobReader::Await(std::unique_lock<std::mutex>& lock, Condition isSo) {
  while (!isSo()) {
    if (!Help(lock)) changed_.wait(lock);
  }
}

bool BlobReader::Help(std::unique_lock<std::mutex>& lock) { return HashPiece(lock) || FinishFile(lock); }

bool BlobReader::HashPiece(std::unique_lock<std::mutex>& lock) {
  if (isHashing_ || hashed_ == filled_) return false;
  isHashing_ = true;
  const Piece piece = PieceAt(hashed_);
  lock.unlock();
  digest_.Update(memory_.get() + piece.offset, piece.size);
  lock.lock();
  hashed_++;
  isHashing_ = false;
  changed_.notify_all();
  return true;
}

bool BlobReader::FinishFile(std::unique_lock<std::mutex>& lock) {
  FileQueue::Waiting next;
  if (!files_.Take(next)) return false;
  lock.unlock();
  const filesystem::Result result = Finish(next.file);
  // Closing the descriptor is a part of the work, and not a small one.
  { const Fd closed = std::move(next.file.fd); }
  lock.lock();
  files_.Done(next, result);
  bodies_[next.piece % kPieces]--;
  Release();
  if (files_.isDone() || result.error != 0) changed_.notify_all();
  return true;
}

void BlobReader::Release() {
  const uint64_t before = released_;
  while (released_ < used_ && bodies_[released_ % kPieces] == 0) released_++;
  if (released_ != before) changed_.notify_all();
}

BlobReader::Piece BlobReader::PieceAt(uint64_t number) const {
  const unsigned index = number % kPieces;
  return {index * (inflate::kWindowSize + kPieceSize) + inflate::kWindowSize, sizes_[index]};
}

// What came before a fault is handed over like the rest.
void BlobReader::Publish(size_t size, Fill fill) {
  std::unique_lock lock(mutex_);
  if (size > 0) sizes_[filled_++ % kPieces] = size;
  if (fill == Fill::kEnd) {
    changed_.notify_all();
    Await(lock, [this] { return hashed_ == filled_ || stop_; });
    finished_ = digest_.Finish();
  }
  last_ = fill;
  changed_.notify_all();
  // Nothing is left to read, but there may be files to finish.
  if (fill == Fill::kEnd) Await(lock, [this] { return stop_; });
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
      Await(lock, [this] { return !starved_ || stop_; });
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
