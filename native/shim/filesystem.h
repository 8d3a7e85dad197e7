// Mounts that are made detached and then attached to a pinned descriptor, never to a path that may change meanwhile.
#pragma once

#include "fd.h"
#include "field.h"
#include "protocol.generated.h"
#include "result.h"

namespace gantry {

// Makes a new file system with the options of mount(8), comma-separated, and the flags of mount(2).
Result NewFilesystem(const char* type, const char* source, Text options, uint64_t flags, Fd* mount);

// A clone of the mount at an O_PATH descriptor, with what is mounted below it if `recursive`.
Result CloneTree(int source, bool recursive, Fd* mount);

// Has a detached tree have no part in what is mounted and unmounted elsewhere.
Result MakePrivate(int mount);

// Sets MOUNT_ATTR_* on a mount, and on those below it if `recursive`.
Result SetAttributes(int mount, uint64_t attributes, bool recursive);

// The mount of a `device` step with a host path.
Result CloneDevice(const DeviceStep& step, Fd* mount);

// Attaches a detached mount over `target`. Paths are for the report only.
Result Attach(int mount, int target, const char* path);

// The kernel's own words about what went wrong with a file system context, or `otherwise` if it has none.
const char* KernelMessage(int context, const char* otherwise);

}  // namespace gantry
