// What the shim does for a first process whose ids, in its user namespace, may do nothing on the host.
#pragma once

#include "container.h"
#include "protocol.generated.h"
#include "result.h"

namespace gantry {

// Before the first process begins: its control groups, its out-of-memory score, hard limits as high as its steps will
// ask for, and its streams. `input` is its end of the input, if it has one.
Result ActOutside(const Container& container, const LaunchMessage& launch, const Fd& input);

// Raises the hard limit of a process to what a step will ask for; what is not permitted is left for the step to say.
void RaiseLimit(pid_t pid, const RlimitStep& step);

// Makes the mounts that the steps need, in their order, for the first process to receive. The step and its name are
// those of a failure.
Result SendMounts(const Container& container, const LaunchMessage& launch, uint32_t* step, const char** name);

}  // namespace gantry
