#include "inflate-fast.h"

#include <string.h>

#include <bit>

namespace gantry::inflate {

namespace {

static_assert(std::endian::native == std::endian::little, "words of input are taken as they are in memory");

inline uint64_t LoadWord(const uint8_t* from) {
  uint64_t word;
  memcpy(&word, from, sizeof word);
  return word;
}

// Through a register: the two may overlap.
inline void CopyWord(uint8_t* to, const uint8_t* from) {
  const uint64_t word = LoadWord(from);
  memcpy(to, &word, sizeof word);
}

inline void CopyTwoWords(uint8_t* to, const uint8_t* from) {
  uint64_t words[2];
  memcpy(words, from, sizeof words);
  memcpy(to, words, sizeof words);
}

// Copies a match, and up to 29 bytes more than it has; the caller has room for them.
[[gnu::always_inline]] inline void CopyMatch(uint8_t* to, size_t distance, size_t length) {
  const uint8_t* from = to - distance;
  uint8_t* const end = to + length;
  if (distance >= 16) [[likely]] {
    CopyTwoWords(to, from);
    CopyTwoWords(to + 16, from + 16);
    if (length <= 32) return;
    for (to += 32, from += 32; to < end; to += 16, from += 16) CopyTwoWords(to, from);
  } else if (distance >= 8) {
    for (; to < end; to += 8, from += 8) CopyWord(to, from);
  } else if (distance == 1) {
    const uint64_t word = *from * 0x0101010101010101u;
    for (; to < end; to += 8) memcpy(to, &word, sizeof word);
  } else {
    // Of the 8 bytes the first `distance` are right, and the next copy begins behind them.
    for (; to < end; to += distance) {
      CopyWord(to, from);
      from += distance;
    }
  }
}

// `count` is only right in its lowest byte while in here: an entry is subtracted whole, flags and value too. As no entry takes more
// bits than there are, the byte below never borrows.
struct Bits {
  uint64_t bits;
  uint32_t count;
  const uint8_t* next;

  // Takes as many whole bytes as fit: 56 bits or more are there then. Bits beyond `count` are those that come next in the
  // input anyway, so taking them again changes nothing.
  [[gnu::always_inline]] void Refill() {
    bits |= LoadWord(next) << (count & 63);
    next += 7 - ((count >> 3) & 7);
    count |= 56;
  }
  [[gnu::always_inline]] void Consume(Entry entry) {
    bits >>= entry & 63;
    count -= entry;
  }
  [[gnu::always_inline]] uint8_t* TakeLiteral(Entry entry, uint8_t* out) {
    Consume(entry);
    *out = static_cast<uint8_t>(entry >> 16);
    return out + 1;
  }
  // Consumes a code and its extra bits; returns the base with those added.
  [[gnu::always_inline]] uint32_t ConsumeValue(Entry entry) {
    const uint64_t both = bits & ((uint64_t{1} << (entry & 63)) - 1);
    Consume(entry);
    return (entry >> 16) + static_cast<uint32_t>(both >> ((entry >> 8) & 15));
  }
};

[[gnu::always_inline]] inline Entry FollowLink(Bits& in, const Entry* table, Entry link, unsigned root) {
  in.bits >>= root;
  in.count -= root;
  return table[(link >> 16) + (in.bits & ((1u << ((link >> 8) & 15)) - 1))];
}

[[gnu::always_inline]] inline FastEnd Decode(const Tables& tables, Input& input, Output& output) {
  constexpr unsigned literalMask = (1u << kLiteralRootBits) - 1;
  constexpr unsigned distanceMask = (1u << kDistanceRootBits) - 1;
  const Entry* const literals = tables.literals;
  const Entry* const distances = tables.distances;
  const uint8_t* const window = output.window;
  const uint8_t* const lastIn = input.end - kFastInput;
  const uint8_t* const lastOut = output.end - kFastOutput;
  Bits in = {input.bits, input.count, input.next};
  uint8_t* out = output.next;
  FastEnd result = FastEnd::kMargin;

  in.Refill();
  Entry entry = literals[in.bits & literalMask];
  do {
    // 56 bits are there. Two literals of the root table take 22, a length with its extra bits 20.
    if (entry & kLiteral) {
      out = in.TakeLiteral(entry, out);
      entry = literals[in.bits & literalMask];
      if (entry & kLiteral) {
        out = in.TakeLiteral(entry, out);
        entry = literals[in.bits & literalMask];
        if (entry & kLiteral) {
          in.Refill();
          continue;
        }
      }
    }
    if (entry & kSpecial) [[unlikely]] {
      if (entry & kLink) {
        entry = FollowLink(in, literals, entry, kLiteralRootBits);
        if (entry & kLiteral) {
          out = in.TakeLiteral(entry, out);
          in.Refill();
          entry = literals[in.bits & literalMask];
          continue;
        }
      }
      if (entry & kSpecial) {
        result = entry & kEnd ? FastEnd::kEndOfBlock : FastEnd::kInvalidCode;
        in.Consume(entry);
        break;
      }
    }
    const size_t length = in.ConsumeValue(entry);
    // A distance takes 28 bits with its extra ones.
    if (static_cast<uint8_t>(in.count) < 28) in.Refill();
    entry = distances[in.bits & distanceMask];
    if (entry & kSpecial) [[unlikely]] {
      if (entry & kLink) entry = FollowLink(in, distances, entry, kDistanceRootBits);
      if (entry & kSpecial) {
        result = FastEnd::kInvalidCode;
        break;
      }
    }
    const size_t distance = in.ConsumeValue(entry);
    if (distance > static_cast<size_t>(out - window)) [[unlikely]] {
      result = FastEnd::kTooFarBack;
      break;
    }
    // The next symbol is looked up before the copy, so that neither waits for the other.
    in.Refill();
    entry = literals[in.bits & literalMask];
    CopyMatch(out, distance, length);
    out += length;
  } while (in.next <= lastIn && out <= lastOut);

  input.count = in.count & 63;
  input.bits = in.bits & ((uint64_t{1} << input.count) - 1);
  input.next = in.next;
  output.next = out;
  return result;
}

}  // namespace

#if defined(__x86_64__)

// BMI2 shifts by a register without going through the flags, and cuts off high bits in one instruction.
[[gnu::target("bmi,bmi2")]] static FastEnd DecodeBmi2(const Tables& tables, Input& in, Output& out) {
  return Decode(tables, in, out);
}

static FastEnd DecodeAny(const Tables& tables, Input& in, Output& out) { return Decode(tables, in, out); }

FastEnd DecodeFast(const Tables& tables, Input& in, Output& out) {
  static const bool hasBmi2 = __builtin_cpu_supports("bmi2");
  return hasBmi2 ? DecodeBmi2(tables, in, out) : DecodeAny(tables, in, out);
}

#else

FastEnd DecodeFast(const Tables& tables, Input& in, Output& out) { return Decode(tables, in, out); }

#endif

}  // namespace gantry::inflate
