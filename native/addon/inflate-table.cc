#include "inflate-table.h"

#include <string.h>

#include <bit>

namespace gantry::inflate {

namespace {

// A symbol's entry without its code; the extra bits are in the count of bits to consume.
constexpr Entry Symbol(unsigned value, unsigned extraBits, Entry flags = 0) {
  return (Entry{value} << 16) | flags | extraBits;
}

struct SymbolEntries {
  Entry literals[kLiteralSymbols];
  Entry distances[kDistanceSymbols];
  Entry precode[kPrecodeSymbols];
};

constexpr SymbolEntries MakeSymbolEntries() {
  SymbolEntries all = {};
  for (unsigned i = 0; i < 256; i++) all.literals[i] = Symbol(i, 0, kLiteral);
  all.literals[256] = Symbol(0, 0, kSpecial | kEnd);
  unsigned base = 3;
  for (unsigned i = 257; i < 285; i++) {
    const unsigned extra = i < 265 ? 0 : (i - 261) / 4;
    all.literals[i] = Symbol(base, extra);
    base += 1u << extra;
  }
  all.literals[285] = Symbol(258, 0);
  // 286, 287 and, of distances, 30 and 31 have a code in fixed blocks, but no meaning.
  for (unsigned i = 286; i < kLiteralSymbols; i++) all.literals[i] = kSpecial;
  base = 1;
  for (unsigned i = 0; i < 30; i++) {
    const unsigned extra = i < 4 ? 0 : i / 2 - 1;
    all.distances[i] = Symbol(base, extra);
    base += 1u << extra;
  }
  for (unsigned i = 30; i < kDistanceSymbols; i++) all.distances[i] = kSpecial;
  for (unsigned i = 0; i < kPrecodeSymbols; i++) all.precode[i] = Symbol(i, 0);
  return all;
}

constexpr SymbolEntries kSymbols = MakeSymbolEntries();
static_assert(kSymbols.literals[284] == Symbol(227, 5) && kSymbols.distances[29] == Symbol(24577, 13));

constexpr Entry WithCode(Entry symbol, unsigned bits) { return symbol + bits * 0x101u; }

// The next code of that many bits in canonical order. Codes are kept with their first bit lowest, as they are read.
unsigned NextCode(unsigned code, unsigned bits) {
  const unsigned zeros = ~code & ((1u << bits) - 1);
  if (zeros == 0) return 0;
  const unsigned top = std::bit_floor(zeros);
  return (code & (top - 1)) | top;
}

class Builder {
 public:
  Builder(Entry* table, unsigned root, const Entry* symbols) : table_(table), root_(root), symbols_(symbols) {}

  bool Build(const uint8_t* lengths, unsigned count, bool mayBeIncomplete) {
    Sort(lengths, count);
    unsigned used = 0;
    for (unsigned bits = 1; bits <= kMaxCodeBits; bits++) used += counts_[bits] << (kMaxCodeBits - bits);
    constexpr unsigned whole = 1u << kMaxCodeBits;
    if (used > whole) return false;
    if (used < whole) return mayBeIncomplete && FillIncomplete(used);
    FillRoot();
    FillSubtables();
    return true;
  }

 private:
  // Symbols in the order of their codes: by length, then by number. Unused ones come first, and are passed over.
  void Sort(const uint8_t* lengths, unsigned count) {
    for (unsigned i = 0; i < count; i++) counts_[lengths[i]]++;
    uint16_t places[kMaxCodeBits + 1] = {};
    for (unsigned bits = 1; bits <= kMaxCodeBits; bits++) {
      places[bits] = static_cast<uint16_t>(places[bits - 1] + counts_[bits - 1]);
    }
    next_ = counts_[0];
    for (unsigned i = 0; i < count; i++) sorted_[places[lengths[i]]++] = static_cast<uint16_t>(i);
  }

  bool FillIncomplete(unsigned used) {
    const bool isLone = counts_[1] == 1 && used == 1u << (kMaxCodeBits - 1);
    if (used != 0 && !isLone) return false;
    const Entry unused = WithCode(kSpecial, 1);
    for (unsigned i = 0; i < 1u << root_; i++) {
      table_[i] = isLone && (i & 1) == 0 ? WithCode(symbols_[sorted_[next_]], 1) : unused;
    }
    return true;
  }

  // For each length the table has as many entries as there are codes of it; then it is doubled for the next.
  void FillRoot() {
    for (unsigned bits = 1; bits <= root_; bits++) {
      if (bits > 1) memcpy(table_ + (1u << (bits - 1)), table_, sizeof(Entry) << (bits - 1));
      for (unsigned i = 0; i < counts_[bits]; i++) {
        table_[code_] = WithCode(symbols_[sorted_[next_++]], bits);
        code_ = NextCode(code_, bits);
      }
    }
  }

  void FillSubtables() {
    const unsigned mask = (1u << root_) - 1;
    unsigned end = 1u << root_;
    unsigned start = 0;
    unsigned size = 0;
    unsigned prefix = ~0u;
    for (unsigned bits = root_ + 1; bits <= kMaxCodeBits; bits++) {
      for (unsigned left = counts_[bits]; left > 0; left--) {
        if ((code_ & mask) != prefix) {
          prefix = code_ & mask;
          start = end;
          const unsigned index = SubtableBits(bits, left);
          size = 1u << index;
          end += size;
          table_[prefix] = (Entry{start} << 16) | kSpecial | kLink | (index << 8) | root_;
        }
        const Entry entry = WithCode(symbols_[sorted_[next_++]], bits - root_);
        for (unsigned i = code_ >> root_; i < size; i += 1u << (bits - root_)) table_[start + i] = entry;
        code_ = NextCode(code_, bits);
      }
    }
  }

  // How many index bits hold all codes that begin as the next one does; `left` codes of its length are to come.
  unsigned SubtableBits(unsigned bits, unsigned left) const {
    unsigned index = bits - root_;
    unsigned codes = left;
    while (codes < 1u << index && bits < kMaxCodeBits) {
      index++;
      bits++;
      codes = codes * 2 + counts_[bits];
    }
    return index;
  }

  Entry* table_;
  unsigned root_;
  const Entry* symbols_;
  uint16_t counts_[kMaxCodeBits + 1] = {};
  uint16_t sorted_[kLiteralSymbols];
  unsigned next_ = 0;
  unsigned code_ = 0;
};

}  // namespace

bool BuildLiterals(Tables& tables, const uint8_t* lengths, unsigned symbols) {
  return Builder(tables.literals, kLiteralRootBits, kSymbols.literals).Build(lengths, symbols, true);
}

bool BuildDistances(Tables& tables, const uint8_t* lengths, unsigned symbols) {
  return Builder(tables.distances, kDistanceRootBits, kSymbols.distances).Build(lengths, symbols, true);
}

bool BuildPrecode(Entry (&table)[1 << kPrecodeBits], const uint8_t (&lengths)[kPrecodeSymbols]) {
  return Builder(table, kPrecodeBits, kSymbols.precode).Build(lengths, kPrecodeSymbols, false);
}

const Tables& FixedTables() {
  static const Tables tables = [] {
    Tables made;
    uint8_t lengths[kLiteralSymbols];
    for (unsigned i = 0; i < kLiteralSymbols; i++) lengths[i] = i < 144 ? 8 : i < 256 ? 9 : i < 280 ? 7 : 8;
    uint8_t distances[kDistanceSymbols];
    memset(distances, 5, sizeof distances);
    BuildLiterals(made, lengths, kLiteralSymbols);
    BuildDistances(made, distances, kDistanceSymbols);
    return made;
  }();
  return tables;
}

}  // namespace gantry::inflate
