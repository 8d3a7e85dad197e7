// How the first process ended, or that its program could not be started, on disk for a host program that is not there to be told.
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "result.h"

namespace gantry {

enum class Ending { kExited, kSignaled, kFailed };

struct ExitRecord {
  Ending ending = Ending::kExited;
  int value = 0;     // exit code, signal, or the errno for which the program was not started
  uint64_t at = 0;   // milliseconds since the epoch
  pid_t pid = 0;
  uint64_t startTime = 0;  // field 22 of /proc/<pid>/stat
};

// Writes the record into the current folder: after a crash at any moment it is there whole or not at all.
Result WriteExitRecord(const ExitRecord& record);

}  // namespace gantry
