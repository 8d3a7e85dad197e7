// Device numbers as mknod(2) takes and stat(2) gives them.
#pragma once

#include <stdint.h>

namespace gantry {

constexpr uint32_t kMaxMajor = 0xfff;
constexpr uint32_t kMaxMinor = 0xfffff;

constexpr uint32_t DeviceNumber(uint32_t major, uint32_t minor) {
  return (minor & 0xff) | major << 8 | (minor & ~0xffU) << 12;
}

constexpr uint32_t kNullDevice = DeviceNumber(1, 3);

}  // namespace gantry
