// The ids of the container's user namespace.
#pragma once

#include "container.h"
#include "protocol.generated.h"
#include "result.h"

namespace gantry {

// Writes the maps of the message, if it has any, for the first process that waits for them.
Result WriteIds(const Container& container, const LaunchMessage& launch);

}  // namespace gantry
