// Decoding tables of DEFLATE's prefix codes. RFC 1951, 3.2.2, 3.2.5 and 3.2.6.
#pragma once

#include <stddef.h>
#include <stdint.h>

namespace gantry::inflate {

// What the next bits of the input mean. From the lowest bit:
//   0-5    bits to consume: the code and the extra bits behind it; of a link, kRootBits of the table
//   8-11   bits of the code alone; of a link, the index bits of the subtable
//   12-15  flags
//   16-31  the literal, the base of the length or distance, or the subtable's place
using Entry = uint32_t;

constexpr Entry kEnd = 1u << 12;      // with kSpecial: the end of the block
constexpr Entry kLink = 1u << 13;     // with kSpecial: go on in a subtable, with the bits behind these
constexpr Entry kSpecial = 1u << 14;  // no literal, length or distance; without kEnd and kLink no code at all
constexpr Entry kLiteral = 1u << 15;

constexpr unsigned kMaxCodeBits = 15;
constexpr unsigned kLiteralSymbols = 288;
constexpr unsigned kDistanceSymbols = 32;
constexpr unsigned kLiteralRootBits = 11;
constexpr unsigned kDistanceRootBits = 8;

// A subtable of 2^b entries is complete and has a code of b bits, so b + 1 codes at least. As b is at most
// kMaxCodeBits - root, no choice of lengths needs more than this.
constexpr size_t TableSize(unsigned symbols, unsigned root) {
  const unsigned most = kMaxCodeBits - root;
  return (size_t{1} << root) + ((symbols + most) / (most + 1)) * (size_t{1} << most);
}

struct Tables {
  Entry literals[TableSize(kLiteralSymbols, kLiteralRootBits)];
  Entry distances[TableSize(kDistanceSymbols, kDistanceRootBits)];
};

// Code lengths in bits, 0 where a symbol is not used. False if they over-subscribe the code, or leave some of it unused; a
// lone code of one bit, and no code at all, are let pass, as zlib does: meeting what is unused is an error then.
bool BuildLiterals(Tables& tables, const uint8_t* lengths, unsigned symbols);
bool BuildDistances(Tables& tables, const uint8_t* lengths, unsigned symbols);

// The code of the code lengths: at most 7 bits, so without links. An entry's value is the symbol. It has to be complete.
constexpr unsigned kPrecodeSymbols = 19;
constexpr unsigned kPrecodeBits = 7;
bool BuildPrecode(Entry (&table)[1 << kPrecodeBits], const uint8_t (&lengths)[kPrecodeSymbols]);

// The tables of blocks with fixed codes.
const Tables& FixedTables();

}  // namespace gantry::inflate
