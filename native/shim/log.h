// The container's log: lines of the Kubernetes CRI log format, rotated by size.
//
//   2016-10-06T00:17:09.669794202Z stdout F a whole line
//   2016-10-06T00:17:09.669794202Z stderr P a piece of a line
//
// What a stream holds is logged as soon as it is read, as a piece if its line end has not come: nothing waits in
// the shim. A write that fails drops output; it never blocks the container.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "fd.h"
#include "result.h"

namespace gantry {

class Log {
 public:
  // Creates the log file in the current folder. `maxBytes` 0: no rotation. `maxFiles` counts the current file.
  Result Open(uint64_t maxBytes, uint32_t maxFiles);

  // Reads what `pipe` has, at most one buffer, and writes it. False at its end.
  bool Copy(int pipe, const char* stream);

  // Reads what `pipe` has now, and nothing that comes later: another process may hold it open and write for ever.
  void Drain(int pipe, const char* stream);

  // Removes the log file, if this log created or opened it.
  void Remove();

 private:
  static constexpr size_t kInput = 16 * 1024;
  static constexpr size_t kOutput = 24 * 1024;
  static constexpr size_t kHead = 48;  // at most: time, stream and tag

  ssize_t CopyOnce(int pipe, const char* stream);
  void AddEntry(const char* text, size_t size, bool whole);
  void Flush();
  void Rotate();

  Fd file_;
  uint64_t maxBytes_ = 0;
  uint32_t maxFiles_ = 0;
  uint64_t fileSize_ = 0;
  char head_[kHead];
  size_t headSize_ = 0;
  char input_[kInput];
  char output_[kOutput];
  size_t outputSize_ = 0;
};

}  // namespace gantry
