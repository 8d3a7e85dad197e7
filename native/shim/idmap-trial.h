#pragma once

namespace gantry {

// Whether what is mounted at a path of the host can be seen through other ids, with all below it if `recursive`: 0 or an errno.
int TryIdmap(const char* path, bool recursive);

}  // namespace gantry
