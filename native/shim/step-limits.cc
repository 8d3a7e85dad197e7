// Steps that limit: control groups of version 1, rlimits, the out-of-memory score, the umask.
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "channel.h"
#include "first-process.h"
#include "text-buffer.h"

namespace gantry {
namespace {

Result Join(const char* folder) {
  TextBuffer<PATH_MAX> path;
  path.Add(folder).Add("/tasks");
  Fd file(open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (!file.valid() && errno == ENOENT) {
    // A group of a v2 tree beside the v1 hierarchies.
    TextBuffer<PATH_MAX> unified;
    unified.Add(folder).Add("/cgroup.procs");
    file = Fd(open(unified.c_str(), O_WRONLY | O_CLOEXEC));
  }
  if (!file.valid()) return CallFailure("open", folder);
  return write(file.get(), "0", 1) == 1 ? kOk : CallFailure("write", folder);
}

}  // namespace

Result Perform(FirstProcess& process, const AwaitGroupsStep&) {
  ChannelPacket packet = AwaitPacket(process);
  if (packet != ChannelPacket::kGroups && packet != ChannelPacket::kJoined) _exit(1);
  process.joined = packet == ChannelPacket::kJoined;
  return kOk;
}

Result Perform(FirstProcess& process, const JoinCgroupStep& step) {
  if (process.outside || process.joined) return kOk;
  // A staged process is among its own mounts by then.
  if (Result left = process.stage.Leave(); !left.ok()) return left;
  Result result = Join(step.path.data);
  if (Result entered = process.stage.Enter(); !entered.ok()) return entered;
  return result;
}

Result Perform(FirstProcess& process, const CgroupNamespaceStep&) {
  if (process.joined) return kOk;
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
