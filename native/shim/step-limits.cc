// Steps that limit: control groups of version 1, rlimits, the out-of-memory score, the umask.
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "first-process.h"
#include "text-buffer.h"

namespace gantry {

Result Perform(FirstProcess& process, const JoinCgroupStep& step) {
  if (process.outside) return kOk;
  TextBuffer<PATH_MAX> path;
  path.Add(step.path.data).Add("/tasks");
  Fd file(open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (!file.valid() && errno == ENOENT) {
    // A group of a v2 tree beside the v1 hierarchies.
    TextBuffer<PATH_MAX> unified;
    unified.Add(step.path.data).Add("/cgroup.procs");
    file = Fd(open(unified.c_str(), O_WRONLY | O_CLOEXEC));
  }
  if (!file.valid()) return CallFailure("open", step.path.data);
  return write(file.get(), "0", 1) == 1 ? kOk : CallFailure("write", step.path.data);
}

Result Perform(FirstProcess&, const CgroupNamespaceStep&) {
  return unshare(CLONE_NEWCGROUP) == 0 ? kOk : CallFailure("unshare");
}

Result Perform(FirstProcess&, const RlimitStep& step) {
  auto resource = static_cast<__rlimit_resource_t>(step.resource);
  rlimit wanted{step.soft, step.hard};
  if (setrlimit(resource, &wanted) == 0) return kOk;
  Result failure = CallFailure("setrlimit");
  rlimit current;
  if (failure.error != EPERM || step.clamp == 0 || getrlimit(resource, &current) != 0) return failure;
  if (wanted.rlim_max > current.rlim_max) wanted.rlim_max = current.rlim_max;
  if (wanted.rlim_cur > wanted.rlim_max) wanted.rlim_cur = wanted.rlim_max;
  return setrlimit(resource, &wanted) == 0 ? kOk : CallFailure("setrlimit");
}

Result Perform(FirstProcess& process, const OomScoreAdjStep& step) {
  if (process.outside) return kOk;
  TextBuffer<16> value;
  value.AddSigned(step.value);
  Fd file(openat(process.procfs.get(), "self/oom_score_adj", O_WRONLY | O_CLOEXEC));
  if (!file.valid()) return CallFailure("open", "oom_score_adj");
  return write(file.get(), value.c_str(), value.size()) > 0 ? kOk : CallFailure("write", "oom_score_adj");
}

// Takes effect at the exec: the steps in between set modes exactly.
Result Perform(FirstProcess& process, const UmaskStep& step) {
  process.umask = step.mask & 0777;
  return kOk;
}

}  // namespace gantry
