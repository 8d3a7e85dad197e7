// Wall-clock time for records and log lines.
#pragma once

#include <stdint.h>
#include <time.h>

namespace gantry {

inline timespec Now() {
  timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  return now;
}

inline uint64_t Milliseconds(const timespec& time) {
  return static_cast<uint64_t>(time.tv_sec) * 1000 + static_cast<uint64_t>(time.tv_nsec) / 1000000;
}

}  // namespace gantry
