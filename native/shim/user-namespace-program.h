// The shim's other use: runs a program as the root of a user namespace, for work on files that belong to its users.
#pragma once

namespace gantry {

// `argv`: the id of a process whose user namespace to join, or 0 for a new one, and the program with its arguments. On
// the socket that is descriptor 3 a new namespace is told by `U`, and ids for it are awaited as any byte; a failure is
// `E` and an errno, and ends the process. The program has the socket too.
[[noreturn]] void RunInUserNamespace(char** argv, char** environment);

}  // namespace gantry
