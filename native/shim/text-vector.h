// A list of texts as execve(2) takes them.
#pragma once

#include "mapped-array.h"
#include "protocol.generated.h"
#include "result.h"

namespace gantry {

// The strings as a NULL-terminated array, in memory of its own that lasts until the exec.
inline Result ReadVector(const TextList& list, char*** out) {
  if (Result result = MapArray(list.count + size_t{1}, out); !result.ok()) return result;
  FieldReader reader(list);
  for (uint32_t i = 0; i < list.count; i++) {
    Text text;
    reader.Read(&text);
    (*out)[i] = const_cast<char*>(text.data);
  }
  return kOk;
}

}  // namespace gantry
