// A streaming decoder of gzip, RFC 1952: one member after the other, with nothing between or behind them.
#pragma once

#include "inflate.h"

namespace gantry {

class GzipDecoder {
 public:
  // As inflate::Decoder::Run, but that it finds the window itself: `floor` is where the memory before `out` begins, which
  // holds the 32 KiB, or all there are, that were decoded last. There may always be another member, so it is never done:
  // whether the input may end is for `MayEnd` to say.
  inflate::Status Run(inflate::Input& in, const uint8_t* floor, uint8_t*& out, uint8_t* end);

  // True behind a whole member, of which there is one at least.
  bool MayEnd(const inflate::Input& in) const { return state_ == State::kBetween && in.count == 0 && in.next == in.end; }

  const char* error() const { return error_; }

 private:
  enum class State {
    kStart,
    kHeader,
    kExtraSize,
    kExtra,
    kName,
    kComment,
    kHeaderSum,
    kBody,
    kTrailer,
    kBetween,
    kFailed
  };

  inflate::Status Fail(const char* error);
  // True once that many bytes are in `field_`.
  bool TakeField(inflate::Input& in, unsigned size);
  bool TakeHeaderByte(inflate::Input& in, uint8_t& byte);
  bool SkipText(inflate::Input& in);
  bool ReadHeader(inflate::Input& in);
  inflate::Status Decode(inflate::Input& in, const uint8_t* floor, uint8_t*& out, uint8_t* end);
  void CheckTrailer();
  unsigned FieldAt(unsigned at, unsigned size) const;

  State state_ = State::kStart;
  const char* error_ = "";
  uint8_t field_[10] = {};
  unsigned filled_ = 0;
  unsigned extraLeft_ = 0;
  uint8_t flags_ = 0;
  // Of the header first, then of the member's bytes.
  uint32_t crc_ = 0;
  uint64_t memberBytes_ = 0;
  inflate::Decoder decoder_;
};

}  // namespace gantry
