// Reads and decompresses a layer blob in a thread of its own: meanwhile the caller uses what came before. Whoever of the two has
// to wait for the other hashes, and finishes small files of the archive. The thread is joined before the reader goes.
#pragma once

#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>

#include <condition_variable>
#include <memory>
#include <mutex>

#include "archive-digest.h"
#include "file-queue.h"
#include "gzip.h"
#include "system.h"

namespace gantry {

class BlobReader {
 public:
  enum class Compression { kNone, kGzip };

  // What `Next` found: bytes; the end, with all files finished; a fault of the stream, of reading it, or of a file; all that may
  // be read has been; or nothing within the time.
  enum class Found { kPiece, kEnd, kMalformed, kSystemError, kFileError, kStarved, kNothing };

  struct Piece {
    size_t offset;
    size_t size;
  };

  // Pieces fit a processor's cache; of some, one is filled, one is hashed and one is used at any time.
  static constexpr size_t kPieceSize = 256 * 1024;
  static constexpr unsigned kPieces = 16;
  static constexpr size_t kMemorySize = kPieces * (inflate::kWindowSize + kPieceSize);

  BlobReader(Fd file, Compression compression, ArchiveDigest digest)
      : file_(std::move(file)), compression_(compression), digest_(std::move(digest)) {}
  BlobReader(const BlobReader&) = delete;
  BlobReader& operator=(const BlobReader&) = delete;
  ~BlobReader() { Stop(); }

  // Starts the thread. Returns an errno.
  int Start();

  // Ends the thread, and drops the files that are not finished. Idempotent.
  void Stop();

  // That many bytes of the file may be read; no more will be if it is complete.
  void Allow(uint64_t bytes, bool isComplete);

  // Gives back the piece got last, and waits for the next one, but not for long.
  Found Next(Piece& piece);

  // Takes over a new file whose body is in the piece in use; `Next` tells how it went. False, and nothing is taken, if the body is
  // elsewhere or enough files wait already: the caller does it himself, then.
  bool FinishLater(NewFile& file);

  // Of all pieces, after `kEnd`; empty if it could not be had.
  const std::vector<uint8_t>& digest() const { return finished_; }

  // Bytes of the file that are read.
  uint64_t position();

  // Where pieces are; `kMemorySize` bytes, which live as long as anyone has them.
  const std::shared_ptr<uint8_t>& memory() const { return memory_; }

  // Of `kMalformed`.
  const char* problem() const { return problem_; }
  // Of `kSystemError`.
  int error() const { return error_; }
  // Of `kFileError`.
  const FileFault& fileFault() const { return files_.fault(); }

 private:
  // How the filling of a piece, or a part of it, came out.
  enum class Fill { kGoesOn, kEnd, kMalformed, kSystemError, kStopped };

  void Work();
  // False if the thread is to end.
  bool AwaitFreePiece();
  // Waits until that is so, and helps meanwhile.
  template <typename Condition>
  void Await(std::unique_lock<std::mutex>& lock, Condition isSo);
  // Does a piece of what either thread can do, with the lock open; false if there is none.
  bool Help(std::unique_lock<std::mutex>& lock);
  bool HashPiece(std::unique_lock<std::mutex>& lock);
  bool FinishFile(std::unique_lock<std::mutex>& lock);
  // Gives back the pieces in which no body waits any more.
  void Release();
  Piece PieceAt(uint64_t number) const;
  void Publish(size_t size, Fill fill);
  Fill FillPiece(const uint8_t* floor, uint8_t*& out, uint8_t* end);
  Fill FillPlain(uint8_t*& out, uint8_t* end);
  Fill FillInflated(const uint8_t* floor, uint8_t*& out, uint8_t* end);
  Fill Malformed(const char* problem);
  // Waits until there are bytes to read, and reads some; `kEnd` behind the last one.
  Fill Read(uint8_t* to, size_t most, size_t& size);

  Fd file_;
  const Compression compression_;
  std::shared_ptr<uint8_t> memory_;

  // The thread's own.
  std::unique_ptr<uint8_t[]> inputMemory_;
  inflate::Input input_;
  GzipDecoder gzip_;

  std::mutex mutex_;
  std::condition_variable changed_;
  // Guarded by the mutex.
  bool stop_ = false;
  bool starved_ = false;
  bool isComplete_ = false;
  bool isTaken_ = false;
  uint64_t allowed_ = 0;
  uint64_t position_ = 0;
  uint64_t filled_ = 0;
  uint64_t hashed_ = 0;
  uint64_t used_ = 0;
  uint64_t released_ = 0;
  bool isHashing_ = false;
  size_t sizes_[kPieces] = {};
  // Files whose bodies are in them, not finished yet.
  unsigned bodies_[kPieces] = {};
  FileQueue files_;
  Fill last_ = Fill::kGoesOn;

  // Set before `last_`.
  const char* problem_ = "";
  int error_ = 0;
  std::vector<uint8_t> finished_;

  // Used by who has set `isHashing_`.
  ArchiveDigest digest_;

  pthread_t thread_ = {};
  bool isStarted_ = false;
};

// The reader of a BlobReader of JavaScript; null if it is none, or closed.
std::shared_ptr<BlobReader> BlobReaderOf(const Napi::Value& value);

}  // namespace gantry
