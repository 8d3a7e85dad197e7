// A list of texts as execve(2) takes them.
#pragma once

#include <sys/mman.h>

#include "protocol.generated.h"
#include "result.h"

namespace gantry {

// The strings as a NULL-terminated array, in memory of its own that lasts until the exec.
inline Result ReadVector(const TextList& list, char*** out) {
  size_t size = (list.count + size_t{1}) * sizeof(char*);
  void* memory = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return CallFailure("mmap");
  *out = static_cast<char**>(memory);
  FieldReader reader(list);
  for (uint32_t i = 0; i < list.count; i++) {
    Text text;
    reader.Read(&text);
    (*out)[i] = const_cast<char*>(text.data);
  }
  return kOk;
}

}  // namespace gantry
