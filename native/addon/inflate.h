// A streaming decoder of DEFLATE, RFC 1951, for input that nobody vouches for. It allocates nothing, keeps no pointer
// between calls, and reads and writes only what it is given.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "inflate-table.h"

namespace gantry::inflate {

// Compressed bytes that are not used yet: first `count` bits, 63 at most, lowest first and zeros above; then the bytes.
struct Input {
  const uint8_t* next = nullptr;
  const uint8_t* end = nullptr;
  uint64_t bits = 0;
  unsigned count = 0;

  bool TakeByte(uint8_t& out) {
    if (count >= 8) {
      out = static_cast<uint8_t>(bits);
      bits >>= 8;
      count -= 8;
      return true;
    }
    if (next == end) return false;
    out = *next++;
    return true;
  }
  void DropBitsOfByte() {
    bits >>= count % 8;
    count -= count % 8;
  }
};

// Where bytes go, and how far back a match may reach: to `window`, which is at or before `next` in the same memory.
struct Output {
  uint8_t* next = nullptr;
  uint8_t* end = nullptr;
  const uint8_t* window = nullptr;
};

constexpr size_t kWindowSize = 32768;

enum class Status { kNeedsInput, kNeedsOutput, kDone, kFailed };

class Decoder {
 public:
  // Starts anew, with a stream's first block.
  void Reset();

  // Decodes until it needs more of something: input only when there is none left, output only when that is full. The
  // 32 KiB, or all there are, before `out.next` must be the bytes decoded last. Once done it has left in `in` what is
  // behind the stream, from the next whole byte; once failed `error` says why.
  Status Run(Input& in, Output& out);

  const char* error() const { return error_; }

 private:
  enum class State { kBlock, kStoredSize, kStored, kPrecode, kLengths, kSymbols, kMatch, kDone, kFailed };

  Status Fail(const char* error);
  bool ReadBlockHeader(Input& in);
  bool ReadStoredSize(Input& in);
  Status CopyStored(Input& in, Output& out);
  bool ReadPrecode(Input& in);
  bool ReadLengths(Input& in);
  bool BuildTables();
  Status DecodeSymbols(Input& in, Output& out);
  bool DecodeSymbol(Input& in, Output& out);
  Status CopyMatch(Output& out);
  void EndBlock() { state_ = isLast_ ? State::kDone : State::kBlock; }

  State state_ = State::kBlock;
  bool isLast_ = false;
  const char* error_ = "";

  unsigned storedLeft_ = 0;

  unsigned literalLengths_ = 0;
  unsigned distanceLengths_ = 0;
  unsigned precodeLengths_ = 0;
  // How many code lengths are read.
  unsigned lengthsRead_ = 0;
  uint8_t precode_[kPrecodeSymbols] = {};
  // A repeat is checked against the counts that the block states: 286 and 30 at most.
  uint8_t lengths_[kLiteralSymbols + kDistanceSymbols] = {};
  Entry precodeTable_[1 << kPrecodeBits];

  const Tables* tables_ = nullptr;
  Tables own_;

  // What of a match is still to be copied.
  unsigned matchLeft_ = 0;
  unsigned matchDistance_ = 0;
};

}  // namespace gantry::inflate
