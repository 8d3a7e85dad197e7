// The one result type: nothing, or an errno with the call and the path that it is about.
#pragma once

#include <errno.h>

namespace gantry {

struct [[nodiscard]] Result {
  int error = 0;
  const char* detail = "";
  const char* path = "";

  bool ok() const { return error == 0; }
};

constexpr Result kOk{};

// A failure whose errno the caller names; the texts must outlive the report.
constexpr Result Failure(int error, const char* detail, const char* path = "") { return {error, detail, path}; }

// The failure of the system call just made.
inline Result CallFailure(const char* call, const char* path = "") { return {errno, call, path}; }

}  // namespace gantry
