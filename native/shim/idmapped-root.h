// Roots of containers with a user namespace: what belongs to 0 on the disk belongs to 0 in there, whatever id that is
// for the host. Both give a detached mount.
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "fd.h"
#include "protocol.generated.h"
#include "result.h"

namespace gantry {

// Idmaps the layers and what is above them, which must have its upper and work folder in one. `process` is in the
// namespace, whose root is `uid` and `gid` outside.
Result MakeIdmappedOverlay(const RootOverlayStep& step, pid_t process, uint32_t uid, uint32_t gid, Fd* mount);

Result MakeIdmappedBind(const RootBindStep& step, pid_t process, Fd* mount);

}  // namespace gantry
