// Memory for a process of its own, which has no heap.
#pragma once

#include <stddef.h>
#include <sys/mman.h>

#include "result.h"

namespace gantry {

// An array of zeros that lasts until the exec.
template <typename T>
Result MapArray(size_t count, T** out) {
  void* memory = mmap(nullptr, count * sizeof(T), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return CallFailure("mmap");
  *out = static_cast<T*>(memory);
  return kOk;
}

}  // namespace gantry
