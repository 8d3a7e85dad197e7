// Overlay mounts of any number of layers, on kernels old and new.
//
// They are volatile: else the kernel writes the container's whole upper folder to the disk when the last process ends,
// and holds up its end for that long. What a container wrote to its root does not outlive the machine's run.
#pragma once

#include "fd.h"
#include "protocol.generated.h"
#include "result.h"

namespace gantry {

// Makes a detached overlay, one `lowerdir+` a layer (Linux 6.8). EINVAL on older kernels.
Result MountOverlay(const RootOverlayStep& step, Fd* mount);

// Mounts with mount(2), whose options may have at most a page: folders are named by the numbers of their descriptors,
// relative to /proc/self/fd, which becomes the current folder.
Result MountClassicOverlay(const RootOverlayStep& step, const Fd& procfs, unsigned long flags);

}  // namespace gantry
