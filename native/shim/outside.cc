#include "outside.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "channel.h"
#include "filesystem.h"
#include "first-process.h"
#include "host-tree.h"
#include "idmapped-root.h"
#include "rights.h"
#include "system-calls.h"
#include "text-buffer.h"

namespace gantry {
namespace {

// Visits every step, until one fails. `act` gets the step.
template <typename Act>
Result EachStep(const StepList& list, uint32_t* index, const char** name, Act act) {
  FieldReader steps(list);
  for (*index = 0; *index < list.count; ++*index) {
    FieldReader fields = steps.Block();
    uint8_t code = 0;
    fields.Read(&code);
    *name = StepName(StepCode{code});
    Result result;
    bool known = VisitStep(StepCode{code}, fields, [&](const auto& step) { result = act(step); });
    if (!known) return Failure(EBADMSG, "fields");
    if (!result.ok()) return result;
  }
  return kOk;
}

Result WriteNumber(const char* path, int64_t value, const char* shown) {
  TextBuffer<24> text;
  text.AddSigned(value);
  Fd file(open(path, O_WRONLY | O_CLOEXEC));
  if (!file.valid()) return CallFailure("open", shown);
  return write(file.get(), text.c_str(), text.size()) > 0 ? kOk : CallFailure("write", shown);
}

// Those that no first process needs help with.
struct Actions {
  const Container& container;

  template <typename Step>
  Result operator()(const Step&) const {
    return kOk;
  }

  Result operator()(const JoinCgroupStep& step) const {
    TextBuffer<PATH_MAX> path;
    path.Add(step.path.data).Add("/tasks");
    return WriteNumber(path.c_str(), container.pid, step.path.data);
  }

  Result operator()(const OomScoreAdjStep& step) const {
    TextBuffer<48> path;
    path.Add("/proc/").AddSigned(container.pid).Add("/oom_score_adj");
    return WriteNumber(path.c_str(), step.value, "oom_score_adj");
  }

  Result operator()(const RlimitStep& step) const {
    RaiseLimit(container.pid, step);
    return kOk;
  }
};

struct Mounts {
  const Container& container;
  const LaunchMessage& launch;
  // The user namespace through which the next tree is seen.
  Fd idmap{};

  template <typename Step>
  Result operator()(const Step&) {
    return kOk;
  }

  Result operator()(const RootOverlayStep& step) {
    Fd mount;
    Result result = MakeIdmappedOverlay(step, container.pid, launch.rootUid, launch.rootGid, &mount);
    return result.ok() ? Send(mount) : result;
  }

  Result operator()(const RootBindStep& step) {
    Fd mount;
    Result result = MakeIdmappedBind(step, container.pid, &mount);
    return result.ok() ? Send(mount) : result;
  }

  Result operator()(const IdmapStep& step) {
    Fd procfs;
    Result result = OpenProcfs(&procfs);
    return result.ok() ? MakeIdmap(step, procfs, &idmap) : result;
  }

  Result operator()(const OpenTreeStep& step) { return SendTree(TreeOf(step, step.propagation)); }

  // One without a source was sent before.
  Result operator()(const BindStep& step) { return step.source.empty() ? kOk : SendTree(TreeOf(step, MS_PRIVATE)); }

  Result operator()(const OverlayStep& step) {
    RootOverlayStep parts;
    parts.target = step.staging;
    parts.lower = step.lower;
    parts.upper = step.upper;
    parts.work = step.work;
    parts.userxattr = step.userxattr;
    Fd mount;
    Result result = MakeIdmappedOverlay(parts, container.pid, launch.rootUid, launch.rootGid, &mount);
    if (result.ok()) result = SetAttributes(mount.get(), step.attributes, false);
    return result.ok() ? Send(mount) : result;
  }

  Result operator()(const DeviceStep& step) {
    if (step.host.empty()) return kOk;
    Fd mount;
    Result result = CloneDevice(step, &mount);
    return result.ok() ? Send(mount) : result;
  }

  Result SendTree(const HostTree& tree) {
    Fd mount;
    Result result = CloneHostTree(tree, idmap, &mount);
    idmap.Close();
    return result.ok() ? Send(mount) : result;
  }

  Result Send(const Fd& mount) const {
    constexpr ChannelPacket kPacket = ChannelPacket::kMount;
    ssize_t sent = SendWithRight(container.channel.get(), &kPacket, sizeof kPacket, MSG_NOSIGNAL, mount.get());
    // One that has ended meanwhile has told why, or will.
    return sent == sizeof kPacket || errno == EPIPE || errno == ECONNRESET ? kOk : CallFailure("sendmsg");
  }
};

}  // namespace

void RaiseLimit(pid_t pid, const RlimitStep& step) {
  rlimit current;
  if (syscall(SYS_prlimit64, pid, step.resource, nullptr, &current) != 0 || current.rlim_max >= step.hard) return;
  current.rlim_max = step.hard;
  syscall(SYS_prlimit64, pid, step.resource, &current, nullptr);
}

Result ActOutside(const Container& container, const LaunchMessage& launch, const Fd& input) {
  const int streams[] = {container.output.get(), container.errors.get(), input.get()};
  for (int stream : streams) {
    if (stream >= 0 && fchown(stream, launch.rootUid, launch.rootGid) != 0) return CallFailure("fchown");
  }
  uint32_t step;
  const char* name;
  Result result = EachStep(launch.steps, &step, &name, Actions{container});
  return result;
}

Result SendMounts(const Container& container, const LaunchMessage& launch, uint32_t* step, const char** name) {
  return EachStep(launch.steps, step, name, Mounts{container, launch});
}

}  // namespace gantry
