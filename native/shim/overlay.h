// Overlay mounts of up to 500 layers, which is the kernel's own limit, on kernels old and new.
//
// They are volatile: else the kernel writes the container's whole upper folder to the disk when the last process ends,
// and holds up its end for that long. What a container wrote to its root does not outlive the machine's run.
// Redirects and copies of metadata alone are off, whatever the host's default: the upper folder by itself then says what
// the container changed.
#pragma once

#include "fd.h"
#include "protocol.generated.h"
#include "result.h"

namespace gantry {

// What an overlay is made of. `target` is for people who read of a failure.
struct OverlayParts {
  const TextList& lower;
  const Text& upper;
  const Text& work;
  bool userxattr;
  const char* target;
};

// True if the kernel takes lower folders one by one, in `lowerdir+` (Linux 6.8). Told by its version: an older one
// would answer the attempt with a line in the kernel's log.
bool AppendsLayers();

// Makes a detached overlay, one `lowerdir+` a layer. The current folder becomes /proc/self/fd: names too long for the
// kernel are given as numbers of descriptors.
Result MountOverlay(const OverlayParts& parts, const Fd& procfs, Fd* mount);

// Mounts at a path of the host with mount(2), whose options may have at most a page: every folder is given as the number of a descriptor.
Result MountClassicOverlay(const OverlayParts& parts, const Fd& procfs, const char* path, unsigned long flags);

// An overlay of folders in the current one: lower `0`, `1` and so on, the lowest first.
struct OverlayNames {
  uint32_t lower = 0;
  const char* upper = "";
  const char* work = "";
};

// Makes that overlay, detached. What is mounted here must be for this process alone.
Result MountOverlayHere(const OverlayNames& names, bool userxattr, Fd* mount);

}  // namespace gantry
