// Paths inside the container while it is being made. Below /proc, /sys and /dev they are resolved in what was mounted there, not
// by way of the root: another container that may write to that, too, would else have them lead elsewhere, or nowhere.
#pragma once

#include "first-process.h"
#include "in-root.h"

namespace gantry {

// Has paths below `target` be resolved in this mount from now on, if it is one of those places.
void Pin(FirstProcess& process, const char* target, Fd mount);

// Something else is mounted at `target` now.
void Unpin(FirstProcess& process, const char* target);

// As the functions of in-root.h.
Result OpenInContainer(const FirstProcess& process, const char* path, uint64_t resolve, Fd* out);
Result OpenOrCreateInContainer(const FirstProcess& process, const char* path, Kind kind, Fd* out);
Result OpenParentInContainer(const FirstProcess& process, const char* path, Fd* parent, const char** name);

}  // namespace gantry
