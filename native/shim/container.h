// The container as its guardian holds it.
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "fd.h"
#include "frame.h"
#include "input.h"
#include "protocol.generated.h"
#include "result.h"
#include "terminal.h"

namespace gantry {

struct Container {
  pid_t pid = 0;           // of the first process, in the shim's pid namespace
  uint64_t startTime = 0;  // field 22 of /proc/<pid>/stat
  bool ownPids = false;    // whether the kernel ends all its processes with the first
  bool ownUsers = false;   // whether it waits in a user namespace of its own
  Fd pidfd;
  Fd channel;
  Fd output;
  Fd errors;
  // In place of `output`, once the first process has made it.
  Terminal terminal;
  bool hasInput = false;
  Input input;
  // What its processes are under, if they are to be under one: a Landlock ruleset.
  Fd ruleset;
  // The first process's mount namespace. It would be taken down in the middle of that process's exit, which would not be seen before all is unmounted.
  Fd mounts;
};

// Makes the container's input; `reader` is the first process's end.
Result MakeInput(Container& container, Fd* reader);

// Clones the first process; in a user namespace of its own it can be given its ids now. It reads the rest of its steps from `launch` once kPlan has told it to.
Result StartContainer(const CloneMessage& clone, const FrameMemory& launch, Container* out);

}  // namespace gantry
