// The container as its guardian holds it.
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "fd.h"
#include "frame.h"
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

// Clones the first process. It reads the rest of its steps from `launch` once kPlan has told it to.
Result StartContainer(const CloneMessage& clone, const FrameMemory& launch, Container* out);

}  // namespace gantry
