// Paths as the container will see them: every symbolic link and `..` is resolved by the kernel inside the root, so
// that nothing an image holds leads to the host.
#pragma once

#include <stdint.h>

#include "fd.h"
#include "result.h"

namespace gantry {

enum class Kind { kFolder, kFile };

// Opens what is there as O_PATH. `resolve` adds RESOLVE_* flags to RESOLVE_IN_ROOT.
Result OpenInRoot(int root, const char* path, uint64_t resolve, Fd* out);

// As OpenInRoot; what is absent is made, folders 0755 and the last component as `kind` says, also behind a dangling
// link.
Result OpenOrCreateInRoot(int root, const char* path, Kind kind, Fd* out);

// The folder that holds `path`, made if absent, and the path's last component. EINVAL if that is no name.
Result OpenParentInRoot(int root, const char* path, Fd* parent, const char** name);

}  // namespace gantry
