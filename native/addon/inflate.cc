#include "inflate.h"

#include <string.h>

#include <algorithm>

#include "inflate-fast.h"

namespace gantry::inflate {

namespace {

// Takes whole bytes while they fit: afterwards there are 56 bits or more, or the input is used up.
void Refill(Input& in) {
  while (in.count < 56 && in.next != in.end) {
    in.bits |= uint64_t{*in.next++} << in.count;
    in.count += 8;
  }
}

unsigned Peek(const Input& in, unsigned count) { return static_cast<unsigned>(in.bits & ((uint64_t{1} << count) - 1)); }

void Consume(Input& in, unsigned count) {
  in.bits >>= count;
  in.count -= count;
}

bool Take(Input& in, unsigned count, unsigned& out) {
  if (in.count < count) Refill(in);
  if (in.count < count) return false;
  out = Peek(in, count);
  Consume(in, count);
  return true;
}

unsigned BitsOf(Entry entry) { return entry & 63; }

// Finds the next code's entry; false if not all of its bits and extra bits are there. Absent bits are zeros, and an entry that
// was found with one of them has a code that is longer than what there is.
bool Find(Input& in, const Entry* table, unsigned root, Entry& out) {
  out = table[Peek(in, root)];
  if (out & kLink) {
    if (in.count < root) return false;
    Consume(in, root);
    out = table[(out >> 16) + Peek(in, (out >> 8) & 15)];
  }
  return in.count >= BitsOf(out);
}

unsigned ConsumeValue(Input& in, Entry entry) {
  const unsigned both = Peek(in, BitsOf(entry));
  Consume(in, BitsOf(entry));
  return (entry >> 16) + (both >> ((entry >> 8) & 15));
}

}  // namespace

void Decoder::Reset() {
  state_ = State::kBlock;
  isLast_ = false;
  error_ = "";
}

Status Decoder::Fail(const char* error) {
  state_ = State::kFailed;
  error_ = error;
  return Status::kFailed;
}

Status Decoder::Run(Input& in, Output& out) {
  for (;;) {
    bool goesOn = true;
    switch (state_) {
      case State::kBlock:
        goesOn = ReadBlockHeader(in);
        break;
      case State::kStoredSize:
        goesOn = ReadStoredSize(in);
        break;
      case State::kPrecode:
        goesOn = ReadPrecode(in);
        break;
      case State::kLengths:
        goesOn = ReadLengths(in);
        break;
      case State::kStored: {
        const Status status = CopyStored(in, out);
        if (status != Status::kDone) return status;
        break;
      }
      case State::kSymbols: {
        const Status status = DecodeSymbols(in, out);
        if (status != Status::kDone) return status;
        break;
      }
      case State::kMatch:
        if (CopyMatch(out) == Status::kNeedsOutput) return Status::kNeedsOutput;
        break;
      case State::kDone:
        in.DropBitsOfByte();
        return Status::kDone;
      case State::kFailed:
        return Status::kFailed;
    }
    if (!goesOn && state_ != State::kFailed) return Status::kNeedsInput;
  }
}

bool Decoder::ReadBlockHeader(Input& in) {
  Refill(in);
  if (in.count < 3) return false;
  const unsigned type = Peek(in, 3) >> 1;
  unsigned counts = 0;
  if (type == 2) {
    if (in.count < 17) return false;
    counts = Peek(in, 17) >> 3;
  }
  isLast_ = Peek(in, 1);
  Consume(in, type == 2 ? 17 : 3);
  switch (type) {
    case 0:
      in.DropBitsOfByte();
      state_ = State::kStoredSize;
      return true;
    case 1:
      tables_ = &FixedTables();
      state_ = State::kSymbols;
      return true;
    case 2:
      literalLengths_ = 257 + (counts & 31);
      distanceLengths_ = 1 + ((counts >> 5) & 31);
      precodeLengths_ = 4 + (counts >> 10);
      if (literalLengths_ > 286 || distanceLengths_ > 30) {
        Fail("a block has too many code lengths");
        return false;
      }
      lengthsRead_ = 0;
      state_ = State::kPrecode;
      return true;
    default:
      Fail("a block has the reserved type");
      return false;
  }
}

bool Decoder::ReadStoredSize(Input& in) {
  unsigned both;
  if (!Take(in, 32, both)) return false;
  storedLeft_ = both & 0xffff;
  if (storedLeft_ != (~both >> 16)) {
    Fail("the size of a stored block is inconsistent");
    return false;
  }
  state_ = State::kStored;
  return true;
}

Status Decoder::CopyStored(Input& in, Output& out) {
  while (storedLeft_ > 0) {
    if (out.next == out.end) return Status::kNeedsOutput;
    if (in.count > 0) {
      // Whole bytes only: the block began with one.
      in.TakeByte(*out.next);
      out.next++;
      storedLeft_--;
      continue;
    }
    const size_t there = std::min(in.end - in.next, out.end - out.next);
    const size_t size = std::min<size_t>(storedLeft_, there);
    if (size == 0) return Status::kNeedsInput;
    memcpy(out.next, in.next, size);
    in.next += size;
    out.next += size;
    storedLeft_ -= static_cast<unsigned>(size);
  }
  EndBlock();
  return Status::kDone;
}

bool Decoder::ReadPrecode(Input& in) {
  static constexpr uint8_t order[kPrecodeSymbols] = {16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15};
  for (; lengthsRead_ < precodeLengths_; lengthsRead_++) {
    unsigned length;
    if (!Take(in, 3, length)) return false;
    precode_[order[lengthsRead_]] = static_cast<uint8_t>(length);
  }
  for (unsigned i = precodeLengths_; i < kPrecodeSymbols; i++) precode_[order[i]] = 0;
  if (!BuildPrecode(precodeTable_, precode_)) {
    Fail("the code of a block's code lengths is not a complete prefix code");
    return false;
  }
  lengthsRead_ = 0;
  state_ = State::kLengths;
  return true;
}

bool Decoder::ReadLengths(Input& in) {
  const unsigned total = literalLengths_ + distanceLengths_;
  while (lengthsRead_ < total) {
    Refill(in);
    const Entry entry = precodeTable_[Peek(in, kPrecodeBits)];
    const unsigned bits = BitsOf(entry);
    const unsigned symbol = entry >> 16;
    if (in.count < bits) return false;
    if (symbol < 16) {
      Consume(in, bits);
      lengths_[lengthsRead_++] = static_cast<uint8_t>(symbol);
      continue;
    }
    const unsigned extraBits = symbol == 16 ? 2 : symbol == 17 ? 3 : 7;
    if (in.count < bits + extraBits) return false;
    Consume(in, bits);
    const unsigned repeat = (symbol == 18 ? 11 : 3) + Peek(in, extraBits);
    Consume(in, extraBits);
    if (repeat > total - lengthsRead_ || (symbol == 16 && lengthsRead_ == 0)) {
      Fail("a code length is repeated where it cannot be");
      return false;
    }
    memset(lengths_ + lengthsRead_, symbol == 16 ? lengths_[lengthsRead_ - 1] : 0, repeat);
    lengthsRead_ += repeat;
  }
  return BuildTables();
}

bool Decoder::BuildTables() {
  const char* error = nullptr;
  if (lengths_[256] == 0) {
    error = "a block has no code for its end";
  } else if (!BuildLiterals(own_, lengths_, literalLengths_)) {
    error = "a block's literal and length codes are not a complete prefix code";
  } else if (!BuildDistances(own_, lengths_ + literalLengths_, distanceLengths_)) {
    error = "a block's distance codes are not a complete prefix code";
  }
  if (error) {
    Fail(error);
    return false;
  }
  tables_ = &own_;
  state_ = State::kSymbols;
  return true;
}

Status Decoder::DecodeSymbols(Input& in, Output& out) {
  while (state_ == State::kSymbols) {
    if (static_cast<size_t>(in.end - in.next) >= kFastInput && static_cast<size_t>(out.end - out.next) >= kFastOutput) {
      switch (DecodeFast(*tables_, in, out)) {
        case FastEnd::kMargin:
          break;
        case FastEnd::kEndOfBlock:
          EndBlock();
          return Status::kDone;
        case FastEnd::kInvalidCode:
          return Fail("a code that the block does not define");
        case FastEnd::kTooFarBack:
          return Fail("a distance reaches back before the start");
      }
    }
    if (out.next == out.end) return Status::kNeedsOutput;
    if (!DecodeSymbol(in, out)) return state_ == State::kFailed ? Status::kFailed : Status::kNeedsInput;
  }
  return Status::kDone;
}

// One literal, which there is room for, or the size of one match. False if it failed or lacks input; then it has taken nothing.
bool Decoder::DecodeSymbol(Input& in, Output& out) {
  Refill(in);
  Input ahead = in;
  Entry entry;
  if (!Find(ahead, tables_->literals, kLiteralRootBits, entry)) return false;
  if (entry & kSpecial) {
    Consume(ahead, BitsOf(entry));
    in = ahead;
    if (entry & kEnd) EndBlock();
    else Fail("a code that the block does not define");
    return state_ != State::kFailed;
  }
  const unsigned value = ConsumeValue(ahead, entry);
  if (entry & kLiteral) {
    *out.next++ = static_cast<uint8_t>(value);
    in = ahead;
    return true;
  }
  if (!Find(ahead, tables_->distances, kDistanceRootBits, entry)) return false;
  if (entry & kSpecial) {
    Fail("a code that the block does not define");
    return false;
  }
  const unsigned distance = ConsumeValue(ahead, entry);
  if (distance > static_cast<size_t>(out.next - out.window)) {
    Fail("a distance reaches back before the start");
    return false;
  }
  in = ahead;
  matchLeft_ = value;
  matchDistance_ = distance;
  state_ = State::kMatch;
  return true;
}

Status Decoder::CopyMatch(Output& out) {
  // Checked when it was decoded; output that is given since then has the window before it.
  for (; matchLeft_ > 0; matchLeft_--) {
    if (out.next == out.end) return Status::kNeedsOutput;
    *out.next = *(out.next - matchDistance_);
    out.next++;
  }
  state_ = State::kSymbols;
  return Status::kDone;
}

}  // namespace gantry::inflate
