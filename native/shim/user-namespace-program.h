// The shim's other use: runs a program as the root of a user namespace, for work on files that belong to its users.
#pragma once

namespace gantry {

// `argv`: `new`, or `join` for the user namespace of the process whose folder below /proc is descriptor 4, and the program
// with its arguments. On the socket that is descriptor 3 being in the namespace is told by `U`; ids for a new one are awaited as any
// byte; a failure is `E` and an errno, and ends the process. The program has both descriptors too.
[[noreturn]] void RunInUserNamespace(char** argv, char** environment);

}  // namespace gantry
