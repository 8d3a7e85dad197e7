// Steps that join namespaces which others have made.
#include <fcntl.h>
#include <sched.h>
#include <sys/syscall.h>

#include "first-process.h"
#include "process-identity.h"
#include "system-calls.h"

namespace gantry {
namespace {

// A process cannot change its own pid namespace, and its mounts are always its own.
constexpr struct {
  const char* name;
  uint64_t type;
} kJoinable[] = {{"net", CLONE_NEWNET}, {"ipc", CLONE_NEWIPC}, {"uts", CLONE_NEWUTS}};

constexpr uint64_t kAllJoinable = CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS;

}  // namespace

Result Perform(FirstProcess& process, const JoinParentStep& step) {
  if ((step.namespaces & ~kAllJoinable) != 0) return Failure(EINVAL, "namespaces");
  Fd parent;
  if (Result result = OpenProcess(process.procfs, step.pid, step.startTime, &parent); !result.ok()) return result;
  for (const auto& [name, type] : kJoinable) {
    if ((step.namespaces & type) == 0) continue;
    if (Result result = JoinNamespaceOf(parent, name, type); !result.ok()) return result;
  }
  return kOk;
}

Result Perform(FirstProcess&, const JoinNamespaceStep& step) {
  if ((step.namespace_ & ~kAllJoinable) != 0 || step.namespace_ == 0) return Failure(EINVAL, "namespace");
  Fd file(open(step.path.data, O_RDONLY | O_CLOEXEC));
  if (!file.valid()) return CallFailure("open", step.path.data);
  return syscall(SYS_setns, file.get(), step.namespace_) == 0 ? kOk : CallFailure("setns", step.path.data);
}

// Those that it made so far would have it only for their children.
Result Perform(FirstProcess& process, const TimeNamespaceStep& step) {
  constexpr int kNewTime = CLONE_NEWTIME;
  if (unshare(kNewTime) != 0) return CallFailure("unshare", "time");
  Fd offsets(openat(process.procfs.get(), "self/timens_offsets", O_WRONLY | O_CLOEXEC));
  if (!offsets.valid()) return CallFailure("open", "timens_offsets");
  if (!step.offsets.empty() && write(offsets.get(), step.offsets.data, step.offsets.size) != ssize_t{step.offsets.size}) {
    return CallFailure("write", "timens_offsets");
  }
  Fd made(openat(process.procfs.get(), "self/ns/time_for_children", O_RDONLY | O_CLOEXEC));
  if (!made.valid()) return CallFailure("open", "time_for_children");
  return syscall(SYS_setns, made.get(), kNewTime) == 0 ? kOk : CallFailure("setns", "time");
}

}  // namespace gantry
