#include "crc32.h"

#include <string.h>

#include <array>
#include <bit>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace gantry {

namespace {

static_assert(std::endian::native == std::endian::little, "words are taken as they are in memory");

// The generator polynomial without its highest term, the lowest power of x in the highest bit, as in the checksum.
constexpr uint32_t kPolynomial = 0xedb88320;

constexpr uint32_t TimesX(uint32_t value) { return (value >> 1) ^ (value & 1 ? kPolynomial : 0); }

using Table = std::array<uint32_t, 256>;

// Table k advances a byte's share of the checksum by k more bytes.
constexpr std::array<Table, 8> MakeTables() {
  std::array<Table, 8> tables = {};
  for (uint32_t byte = 0; byte < 256; byte++) {
    uint32_t value = byte;
    for (int bit = 0; bit < 8; bit++) value = TimesX(value);
    tables[0][byte] = value;
  }
  for (size_t k = 1; k < tables.size(); k++) {
    for (size_t byte = 0; byte < 256; byte++) {
      const uint32_t before = tables[k - 1][byte];
      tables[k][byte] = (before >> 8) ^ tables[0][before & 0xff];
    }
  }
  return tables;
}

constexpr std::array<Table, 8> kTables = MakeTables();

// Works on the checksum without the inversion at both ends.
uint32_t Advance(uint32_t crc, const uint8_t* bytes, size_t size) {
  for (; size >= 8; size -= 8, bytes += 8) {
    uint64_t word;
    memcpy(&word, bytes, sizeof word);
    word ^= crc;
    crc = 0;
    for (unsigned k = 0; k < 8; k++) crc ^= kTables[7 - k][(word >> (8 * k)) & 0xff];
  }
  for (; size > 0; size--) crc = (crc >> 8) ^ kTables[0][(crc ^ *bytes++) & 0xff];
  return crc;
}

#if defined(__x86_64__)

// x to that power modulo the polynomial; one place up, since a carry-less product of reflected values comes out one too low.
constexpr uint64_t Power(unsigned exponent) {
  uint32_t value = 1u << 31;
  for (; exponent > 0; exponent--) value = TimesX(value);
  return uint64_t{value} << 1;
}

// What 128 bits are multiplied by to be moved up by `distance` bits: the half with the higher powers, then the other.
constexpr uint64_t UpperFactor(unsigned distance) { return Power(distance + 32); }
constexpr uint64_t LowerFactor(unsigned distance) { return Power(distance - 32); }

[[gnu::target("pclmul,sse4.1"), gnu::always_inline]] inline __m128i Fold(__m128i value, __m128i factors, __m128i next) {
  const __m128i upper = _mm_clmulepi64_si128(value, factors, 0x00);
  const __m128i lower = _mm_clmulepi64_si128(value, factors, 0x11);
  return _mm_xor_si128(_mm_xor_si128(upper, lower), next);
}

inline __m128i Load(const uint8_t* from) { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(from)); }

// Keeps four values of 128 bits that together have the remainder of all bytes so far, then one, and leaves its end to the tables.
[[gnu::target("pclmul,sse4.1")]] uint32_t AdvanceFolding(uint32_t crc, const uint8_t* bytes, size_t size) {
  const __m128i by512 = _mm_set_epi64x(LowerFactor(512), UpperFactor(512));
  const __m128i by128 = _mm_set_epi64x(LowerFactor(128), UpperFactor(128));
  __m128i values[4];
  for (int i = 0; i < 4; i++) values[i] = Load(bytes + 16 * i);
  values[0] = _mm_xor_si128(values[0], _mm_cvtsi32_si128(static_cast<int>(crc)));
  for (bytes += 64, size -= 64; size >= 64; bytes += 64, size -= 64) {
    for (int i = 0; i < 4; i++) values[i] = Fold(values[i], by512, Load(bytes + 16 * i));
  }
  __m128i one = values[0];
  for (int i = 1; i < 4; i++) one = Fold(one, by128, values[i]);
  for (; size >= 16; bytes += 16, size -= 16) one = Fold(one, by128, Load(bytes));
  uint8_t last[16];
  _mm_storeu_si128(reinterpret_cast<__m128i*>(last), one);
  return Advance(Advance(0, last, sizeof last), bytes, size);
}

// As above with four times as much at once: what of each 512 bits is at the same place is moved up by as much.
[[gnu::target("avx512f,vpclmulqdq"), gnu::always_inline]] inline __m512i FoldWide(__m512i value, __m512i factors,
                                                                                  __m512i next) {
  constexpr int kExclusiveOr = 0x96;
  const __m512i upper = _mm512_clmulepi64_epi128(value, factors, 0x00);
  const __m512i lower = _mm512_clmulepi64_epi128(value, factors, 0x11);
  return _mm512_ternarylogic_epi64(upper, lower, next, kExclusiveOr);
}

constexpr size_t kWide = 256;

[[gnu::target("avx512f,vpclmulqdq,pclmul,sse4.1")]] uint32_t AdvanceFoldingWide(uint32_t crc, const uint8_t* bytes,
                                                                                size_t size) {
  constexpr uint64_t lower = LowerFactor(2048), upper = UpperFactor(2048);
  const __m512i by2048 = _mm512_set_epi64(lower, upper, lower, upper, lower, upper, lower, upper);
  __m512i values[4];
  for (int i = 0; i < 4; i++) values[i] = _mm512_loadu_si512(bytes + 64 * i);
  values[0] = _mm512_xor_si512(values[0], _mm512_zextsi128_si512(_mm_cvtsi32_si128(static_cast<int>(crc))));
  for (bytes += kWide, size -= kWide; size >= kWide; bytes += kWide, size -= kWide) {
    for (int i = 0; i < 4; i++) values[i] = FoldWide(values[i], by2048, _mm512_loadu_si512(bytes + 64 * i));
  }
  // A value of 2048 bits that has the remainder of all before it stands for them as its bytes would.
  uint8_t folded[kWide];
  for (int i = 0; i < 4; i++) _mm512_storeu_si512(folded + 64 * i, values[i]);
  const uint32_t before = AdvanceFolding(0, folded, sizeof folded);
  return size >= 64 ? AdvanceFolding(before, bytes, size) : Advance(before, bytes, size);
}

bool CanFold() {
  static const bool can = __builtin_cpu_supports("pclmul") && __builtin_cpu_supports("sse4.1");
  return can;
}

bool CanFoldWide() {
  static const bool can = CanFold() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("vpclmulqdq");
  return can;
}

#endif

}  // namespace

uint32_t Crc32(uint32_t crc, const uint8_t* bytes, size_t size) {
#if defined(__x86_64__)
  if (size >= kWide && CanFoldWide()) return ~AdvanceFoldingWide(~crc, bytes, size);
  if (size >= 64 && CanFold()) return ~AdvanceFolding(~crc, bytes, size);
#endif
  return ~Advance(~crc, bytes, size);
}

}  // namespace gantry
