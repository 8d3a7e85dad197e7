// Leaves the host program behind: own process, session, signals and descriptors.
#pragma once

namespace gantry {

// The socket that the host gives, and the only descriptor kept beside 0, 1 and 2.
constexpr int kHostSocket = 3;

// For a process that is nobody's child already.
void Daemonise();

// Asks the kernel to end this process later than others when memory runs out. A host that does not permit it is fine.
void LowerOomScore();

}  // namespace gantry
