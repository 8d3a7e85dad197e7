// Descriptors that come and go with messages on Unix sockets (SCM_RIGHTS).
#pragma once

#include <sys/types.h>

#include "fd.h"

namespace gantry {

// As recv(2). Descriptors that came along, up to `room` of them, are put into `out`, close-on-exec.
ssize_t ReceiveWithRights(int socket, void* bytes, size_t size, int flags, Fd* out, int room);

// As send(2), with a descriptor.
ssize_t SendWithRight(int socket, const void* bytes, size_t size, int flags, int fd);

}  // namespace gantry
