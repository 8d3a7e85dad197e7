#include "gzip.h"

#include <algorithm>

#include "crc32.h"

namespace gantry {

using inflate::Input;
using inflate::Status;

namespace {

constexpr uint8_t kHeaderSum = 1 << 1;
constexpr uint8_t kExtra = 1 << 2;
constexpr uint8_t kName = 1 << 3;
constexpr uint8_t kComment = 1 << 4;
constexpr uint8_t kReserved = 0xe0;

}  // namespace

Status GzipDecoder::Run(Input& in, const uint8_t* floor, uint8_t*& out, uint8_t* end) {
  while (state_ != State::kFailed) {
    switch (state_) {
      case State::kBetween:
        if (in.count == 0 && in.next == in.end) return Status::kNeedsInput;
        [[fallthrough]];
      case State::kStart:
        filled_ = 0;
        crc_ = 0;
        state_ = State::kHeader;
        break;
      case State::kBody: {
        const Status status = Decode(in, floor, out, end);
        if (status != Status::kDone) return status;
        break;
      }
      case State::kTrailer:
        if (!TakeField(in, 8)) return Status::kNeedsInput;
        CheckTrailer();
        break;
      default:
        if (!ReadHeader(in)) return Status::kNeedsInput;
    }
  }
  return Status::kFailed;
}

Status GzipDecoder::Fail(const char* error) {
  state_ = State::kFailed;
  error_ = error;
  return Status::kFailed;
}

bool GzipDecoder::TakeField(Input& in, unsigned size) {
  while (filled_ < size && in.TakeByte(field_[filled_])) filled_++;
  return filled_ == size;
}

bool GzipDecoder::TakeHeaderByte(Input& in, uint8_t& byte) {
  if (!in.TakeByte(byte)) return false;
  crc_ = Crc32(crc_, &byte, 1);
  return true;
}

// Passes over a text and the NUL that ends it.
bool GzipDecoder::SkipText(Input& in) {
  uint8_t byte;
  do {
    if (!TakeHeaderByte(in, byte)) return false;
  } while (byte != 0);
  return true;
}

unsigned GzipDecoder::FieldAt(unsigned at, unsigned size) const {
  unsigned value = 0;
  for (unsigned i = 0; i < size; i++) value |= unsigned{field_[at + i]} << (8 * i);
  return value;
}

// One field of the header; false if it lacks input.
bool GzipDecoder::ReadHeader(Input& in) {
  uint8_t byte;
  switch (state_) {
    case State::kHeader:
      if (!TakeField(in, 10)) return false;
      flags_ = field_[3];
      if (field_[0] != 0x1f || field_[1] != 0x8b) {
        Fail("what should be a member does not begin as one");
      } else if (field_[2] != 8) {
        Fail("a member has an unknown compression method");
      } else if (flags_ & kReserved) {
        Fail("a member has unknown flags");
      } else {
        crc_ = Crc32(0, field_, 10);
        filled_ = 0;
        state_ = State::kExtraSize;
      }
      return true;
    case State::kExtraSize:
      if (flags_ & kExtra) {
        if (!TakeField(in, 2)) return false;
        crc_ = Crc32(crc_, field_, 2);
        extraLeft_ = FieldAt(0, 2);
        filled_ = 0;
      }
      state_ = State::kExtra;
      return true;
    case State::kExtra:
      for (; extraLeft_ > 0; extraLeft_--) {
        if (!TakeHeaderByte(in, byte)) return false;
      }
      state_ = State::kName;
      return true;
    case State::kName:
      if ((flags_ & kName) && !SkipText(in)) return false;
      state_ = State::kComment;
      return true;
    case State::kComment:
      if ((flags_ & kComment) && !SkipText(in)) return false;
      state_ = State::kHeaderSum;
      return true;
    default:
      if (flags_ & kHeaderSum) {
        if (!TakeField(in, 2)) return false;
        if (FieldAt(0, 2) != (crc_ & 0xffff)) {
          Fail("the checksum of a member's header is wrong");
          return true;
        }
      }
      crc_ = 0;
      memberBytes_ = 0;
      filled_ = 0;
      decoder_.Reset();
      state_ = State::kBody;
      return true;
  }
}

Status GzipDecoder::Decode(Input& in, const uint8_t* floor, uint8_t*& out, uint8_t* end) {
  // Nothing before the member can be reached, whatever memory is there.
  const uint64_t reach = std::min(memberBytes_, static_cast<uint64_t>(out - floor));
  inflate::Output output = {out, end, out - reach};
  const Status status = decoder_.Run(in, output);
  const size_t size = static_cast<size_t>(output.next - out);
  crc_ = Crc32(crc_, out, size);
  memberBytes_ += size;
  out = output.next;
  if (status == Status::kFailed) return Fail(decoder_.error());
  if (status == Status::kDone) state_ = State::kTrailer;
  return status;
}

void GzipDecoder::CheckTrailer() {
  if (FieldAt(0, 4) != crc_) {
    Fail("the checksum of a member is wrong");
  } else if (FieldAt(4, 4) != (memberBytes_ & 0xffffffff)) {
    Fail("a member's size is not what it states");
  } else {
    filled_ = 0;
    state_ = State::kBetween;
  }
}

}  // namespace gantry
