#include "first-process.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/magic.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "channel.h"
#include "frame.h"
#include "rights.h"

namespace gantry {

void ReportAndExit(const FirstProcess& process, uint32_t step, const char* op, const Result& result) {
  Frame frame = FailedFrame(step, op, result);
  ChannelPacket kind = ChannelPacket::kFailed;
  uint8_t packet[sizeof kind + sizeof frame.bytes];
  memcpy(packet, &kind, sizeof kind);
  memcpy(packet + sizeof kind, frame.bytes, frame.size);
  // By the call that a filter which is installed by now forbids least. If it fails the shim is gone, and nobody is left to be told.
  write(process.channel.get(), packet, sizeof kind + frame.size);
  _exit(1);
}

Result OpenProcfs(Fd* out) {
  *out = Fd(open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC));
  struct statfs info;
  if (!out->valid() || fstatfs(out->get(), &info) != 0) return CallFailure("open", "/proc");
  return info.f_type == PROC_SUPER_MAGIC ? kOk : Failure(EXDEV, "not a procfs", "/proc");
}

namespace {

// Own session, own descriptors, nothing taken from the mask: modes are then exactly what the steps ask for.
Result Detach(Streams& streams) {
  if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) return CallFailure("prctl");
  setsid();
  umask(0);
  for (int fd = 0; fd < Streams::kCount; fd++) {
    Fd& stream = streams.fds[fd];
    if (!stream.valid()) continue;
    if (dup2(stream.get(), fd) < 0) return CallFailure("dup2");
    stream.Close();
  }
  return kOk;
}

Result OpenRoot(Fd* out) {
  *out = Fd(open("/", O_PATH | O_DIRECTORY | O_CLOEXEC));
  return out->valid() ? kOk : CallFailure("open", "/");
}

Result OpenHost(FirstProcess& process) {
  if (Result result = OpenRoot(&process.root); !result.ok()) return result;
  return OpenProcfs(&process.procfs);
}

// A mount namespace is a copy of what is mounted at its making, so it is made no sooner than now.
Result MakeNamespaces(FirstProcess& process, uint64_t namespaces) {
  if ((namespaces & ~uint64_t{CLONE_NEWNS}) != 0) return Failure(EINVAL, "unshare");
  if (namespaces != 0 && unshare(static_cast<int>(namespaces)) != 0) return CallFailure("unshare");
  return process.stage.made() ? kOk : OpenHost(process);
}

// Waits for the launch frame, which the shim has checked, and for the input.
Result AwaitLaunch(FirstProcess& process, const FrameMemory& frame, LaunchMessage* out) {
  ChannelPacket packet{};
  Fd input;
  ssize_t size;
  do {
    size = ReceiveWithRights(process.channel.get(), &packet, sizeof packet, 0, &input, 1);
    if (size == sizeof packet && packet == ChannelPacket::kAgent) process.agent = static_cast<Fd&&>(input);
  } while ((size < 0 && errno == EINTR) || (size == sizeof packet && packet == ChannelPacket::kAgent));
  // The shim is gone, or has given up.
  if (size != sizeof packet || packet != ChannelPacket::kPlan) _exit(1);
  process.hasInput = input.valid();
  if (input.valid() && dup2(input.get(), 0) < 0) return CallFailure("dup2");
  if (process.users != UserNamespace::kNone) {
    if (Result result = BecomeRoot(process); !result.ok()) return result;
  }
  FieldReader fields = frame.Fields();
  uint8_t code;
  return fields.Read(&code) && Read(fields, out) ? kOk : Failure(EBADMSG, "fields of the launch message");
}

// `first` is the number of the first of them in the plan; of steps that are not of it, kNoStep.
void PerformAll(FirstProcess& process, const StepList& list, uint32_t first = 0) {
  FieldReader steps(list);
  for (uint32_t index = 0; index < list.count; index++) {
    FieldReader fields = steps.Block();
    uint8_t code = 0;
    fields.Read(&code);
    Result result;
    bool known =
        VisitStep(StepCode{code}, fields, [&](const auto& step) { result = Perform(process, step); });
    if (!known) result = Failure(EBADMSG, "fields");
    if (!result.ok()) ReportAndExit(process, first == kNoStep ? kNoStep : first + index, StepName(StepCode{code}), result);
  }
}

void TellWaiting(const FirstProcess& process) {
  constexpr ChannelPacket kPacket = ChannelPacket::kWaiting;
  if (send(process.channel.get(), &kPacket, sizeof kPacket, MSG_NOSIGNAL) != sizeof kPacket) _exit(1);
}

// While it waits for its ids. What could then look into it is only who has privilege over its namespace.
Result AwaitIds(const FirstProcess& process) {
  if (prctl(PR_SET_DUMPABLE, 1) != 0) return CallFailure("PR_SET_DUMPABLE");
  TellWaiting(process);
  return kOk;
}

}  // namespace

Result BecomeRoot(const FirstProcess& process) {
  // Denied where an ordinary user has mapped nothing but himself.
  if (setgroups(0, nullptr) != 0 && errno != EPERM) return CallFailure("setgroups");
  if (setresgid(0, 0, 0) != 0) return CallFailure("setresgid");
  if (setresuid(0, 0, 0) != 0) return CallFailure("setresuid");
  // What follows a change of ids.
  if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) return CallFailure("PR_SET_PDEATHSIG");
  // Of a namespace that others are in, nobody may look into it; its own files below /proc are then the host's.
  if (prctl(PR_SET_DUMPABLE, process.users == UserNamespace::kOwn ? 1 : 0) != 0) return CallFailure("PR_SET_DUMPABLE");
  return kOk;
}

ChannelPacket AwaitPacket(const FirstProcess& process) {
  ChannelPacket packet;
  ssize_t size;
  do {
    size = recv(process.channel.get(), &packet, sizeof packet, 0);
  } while (size < 0 && errno == EINTR);
  if (size != sizeof packet) _exit(1);
  return packet;
}

Result ReceiveMount(const FirstProcess& process, Fd* out) {
  ChannelPacket packet{};
  ssize_t size;
  do {
    size = ReceiveWithRights(process.channel.get(), &packet, sizeof packet, 0, out, 1);
  } while (size < 0 && errno == EINTR);
  // The shim could not make it, and tells why itself.
  if (size != sizeof packet || packet != ChannelPacket::kMount || !out->valid()) _exit(1);
  return kOk;
}

void RunFirstProcess(FirstProcessSetup setup) {
  FirstProcess process;
  process.users = setup.users;
  process.channel = static_cast<Fd&&>(setup.channel);
  LaunchMessage launch;
  Result result = Detach(setup.streams);
  if (result.ok() && process.users == UserNamespace::kOwn) result = AwaitIds(process);
  if (result.ok() && setup.steps.count + setup.groups.count > 0) {
    result = OpenHost(process);
    if (!result.ok()) ReportAndExit(process, kNoStep, "shim", result);
    PerformAll(process, setup.steps);
    PerformAll(process, setup.groups, kNoStep);
    result = process.stage.Leave();
  }
  if (result.ok() && setup.groups.count > 0) TellWaiting(process);
  if (result.ok()) result = AwaitLaunch(process, setup.launch, &launch);
  if (result.ok()) result = MakeNamespaces(process, launch.unshare);
  if (!result.ok()) ReportAndExit(process, kNoStep, "shim", result);
  process.released = launch.release != 0;
  process.outside = launch.outside != 0;
  PerformAll(process, launch.steps, setup.steps.count);
  ReportAndExit(process, kNoStep, "shim", Failure(EPROTO, "the plan has no exec"));
}

void RunEnteredProcess(FirstProcess process, Streams streams, const StepList& steps) {
  Result result = Detach(streams);
  if (result.ok() && process.users != UserNamespace::kNone) result = BecomeRoot(process);
  if (result.ok()) result = OpenRoot(&process.root);
  if (!result.ok()) ReportAndExit(process, kNoStep, "shim", result);
  // There is nothing that it would have to wait for.
  process.released = true;
  PerformAll(process, steps);
  ReportAndExit(process, kNoStep, "shim", Failure(EPROTO, "the plan has no exec"));
}

}  // namespace gantry
