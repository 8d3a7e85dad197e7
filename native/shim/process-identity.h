// Processes that cannot be confused with later ones of the same id.
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "fd.h"
#include "result.h"

namespace gantry {

// Field 22 of /proc/<pid>/stat.
Result ReadStartTime(pid_t pid, uint64_t* out);

// The folder of a process in `procfs`, which stays that process's; ESRCH unless it is the one that started then. Not a
// pidfd: the caller may be in another pid namespace than `procfs`.
Result OpenProcess(const Fd& procfs, pid_t pid, uint64_t startTime, Fd* out);

// Joins a namespace (CLONE_NEW*) of the process whose folder that is; `name` is its file's, below ns.
Result JoinNamespaceOf(const Fd& process, const char* name, uint64_t type);

}  // namespace gantry
