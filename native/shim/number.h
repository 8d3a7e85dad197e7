// Decimal numbers in text.
#pragma once

#include <stdint.h>

namespace gantry {

// Reads the digits at `*text` and moves past them. False if there are none or they exceed 64 bits.
inline bool ReadNumber(const char** text, uint64_t* out) {
  const char* start = *text;
  uint64_t value = 0;
  for (; **text >= '0' && **text <= '9'; ++*text) {
    if (__builtin_mul_overflow(value, 10, &value) ||
        __builtin_add_overflow(value, static_cast<uint64_t>(**text - '0'), &value)) {
      return false;
    }
  }
  *out = value;
  return *text != start;
}

}  // namespace gantry
