// Processes that the container left to the shim.
#pragma once

namespace gantry {

// Ends with SIGKILL every child of the shim, and what those leave to it in turn, and reaps them. Gives up on
// processes that the kernel holds for longer than a second; they die when it lets them go.
void KillOrphans();

}  // namespace gantry
