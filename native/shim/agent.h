// The agent of a seccomp filter: the program of the host that answers the calls which the filter leaves to it.
#pragma once

#include "fd.h"
#include "field.h"
#include "result.h"

namespace gantry {

// Connects to its socket, without waiting for one that has as many connections as it takes. Nothing, if there is no path.
Result ConnectAgent(const Text& path, Fd* out);

}  // namespace gantry
