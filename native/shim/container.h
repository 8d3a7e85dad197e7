// The container as its guardian holds it.
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "fd.h"
#include "protocol.generated.h"
#include "result.h"

namespace gantry {

struct Container {
  pid_t pid = 0;           // of the first process, in the shim's pid namespace
  uint64_t startTime = 0;  // field 22 of /proc/<pid>/stat
  bool ownPids = false;    // whether the kernel ends all its processes with the first
  Fd pidfd;
  Fd channel;
  Fd output;
  Fd errors;
};

// Clones the first process, which begins with the steps at once.
Result StartContainer(const LaunchMessage& launch, Container* out);

}  // namespace gantry
