// A chain of log files: the one that is written, and those that it has been rotated into, `name.1` (newest) and so on.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "fd.h"
#include "result.h"

namespace gantry {

class LogFile {
 public:
  // Creates the file in the current folder. `maxBytes` 0: no rotation. `maxFiles` counts the current file.
  Result Open(const char* name, uint64_t maxBytes, uint32_t maxFiles);
  // Whether an entry would make it longer than it may be, behind what is `pending`. One that is longer itself is no reason.
  bool Full(uint64_t pending, uint64_t entry) const {
    uint64_t size = size_ + pending;
    return maxBytes_ > 0 && size > 0 && size + entry > maxBytes_;
  }
  // All or nothing, as far as the disk allows; what cannot be written is dropped.
  void Write(const char* bytes, size_t size);
  void Rotate();
  // Removes the file, if it was opened.
  void Remove();

 private:
  const char* name_ = "";
  Fd file_;
  uint64_t maxBytes_ = 0;
  uint32_t maxFiles_ = 0;
  uint64_t size_ = 0;
};

}  // namespace gantry
