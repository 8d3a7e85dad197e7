#include "user-namespace.h"

#include <fcntl.h>

#include "text-buffer.h"

namespace gantry {
namespace {

// The kernel takes each of these files in one piece, once.
Result WriteFile(pid_t pid, const char* name, Text text) {
  TextBuffer<48> path;
  path.Add("/proc/").AddSigned(pid).Add("/").Add(name);
  Fd file(open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (!file.valid()) return CallFailure("open", name);
  return write(file.get(), text.data, text.size) == ssize_t{text.size} ? kOk : CallFailure("write", name);
}

}  // namespace

Result WriteIds(const Container& container, const LaunchMessage& launch) {
  if (launch.uidMap.empty()) return kOk;
  if (!container.ownUsers) return Failure(EPROTO, "ids for a user namespace of others");
  if (launch.setgroups == 0) {
    if (Result result = WriteFile(container.pid, "setgroups", {"deny", 4}); !result.ok()) return result;
  }
  if (Result result = WriteFile(container.pid, "gid_map", launch.gidMap); !result.ok()) return result;
  return WriteFile(container.pid, "uid_map", launch.uidMap);
}

}  // namespace gantry
