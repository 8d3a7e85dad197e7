// The container's first process between its clone and its exec: it performs the steps of the plan, one by one. So does
// a process that enters the container later.
#pragma once

#include "channel.h"
#include "entered-process.h"
#include "fd.h"
#include "frame.h"
#include "protocol.generated.h"
#include "result.h"
#include "stage.h"

namespace gantry {

enum class UserNamespace { kNone, kOwn, kJoined };

// What the first process holds while it performs the steps. Every descriptor is close-on-exec.
struct FirstProcess {
  // To the shim: see channel.h.
  Fd channel;
  // The host's /proc, opened before any step: what is written through it cannot be diverted by the container's root.
  Fd procfs;
  // The container's root, O_PATH; the host's until a step makes one.
  Fd root;
  // What was mounted at /proc, /sys and /dev: see places.h.
  static constexpr int kPlaces = 3;
  Fd pinned[kPlaces];
  // Of a process that was staged: see stage.h.
  Stage stage;
  // Its mount namespace, for the shim to hold, if it has one of its own.
  Fd mounts;
  // The tmpfs that masks folders, once there is one.
  Fd emptyFolder;
  // The container's /dev/null, once a mask has verified it.
  Fd nullDevice;
  // What `openTree` cloned before the mounts became private, and how many of them are used.
  static constexpr uint32_t kMaxTrees = 64;
  Fd trees[kMaxTrees];
  uint32_t openedTrees = 0;
  uint32_t usedTrees = 0;
  // The user namespace through which the next bind is seen.
  Fd idmap;
  // The ramfs that is being filled.
  Fd memory;
  // Capabilities to set after the user change.
  CapabilitiesStep capabilities;
  bool capabilitiesPending = false;
  // The connection to who is to have the listener of its filter.
  Fd agent;
  // The filter to install last, if there is one.
  SeccompStep filter;
  bool filterPending = false;
  // The Landlock ruleset, until the process is under it, and whether it has made that itself.
  Fd ruleset;
  bool madeRuleset = false;
  uint32_t umask = 0022;
  // Whether its streams are pipes of its own, which its user may then open by name.
  bool hasInput = false;
  bool hasTerminal = false;
  bool ready = false;
  // Whether not to wait at the barrier.
  bool released = false;
  // Whether it is in its control groups, and has a namespace of them if it is to have one, before the steps that see to that.
  bool joined = false;
  UserNamespace users = UserNamespace::kNone;
  // Whether the shim does for it what needs the host's privileges.
  bool outside = false;
};

// What the shim gives its clone.
struct FirstProcessSetup {
  // What it performs at once.
  const StepList& steps;
  // Those after them by which it joins control groups that were made ahead; not of the plan.
  const StepList& groups;
  // Where the launch frame with the other steps will lie.
  const FrameMemory& launch;
  Fd channel;
  Streams streams;
  UserNamespace users = UserNamespace::kNone;
};

// Performs the steps of the setup, waits for the launch frame and performs those of that; never returns. A step that fails is reported, then the process exits.
[[noreturn]] void RunFirstProcess(FirstProcessSetup setup);

// As `RunFirstProcess`, of a process that is in its namespaces already. `process` has its channel and procfs.
[[noreturn]] void RunEnteredProcess(FirstProcess process, Streams streams, const StepList& steps);

// The host's /proc, verified to be one.
Result OpenProcfs(Fd* out);

[[noreturn]] void ReportAndExit(const FirstProcess& process, uint32_t step, const char* op, const Result& result);

// Waits for a packet of the shim. Ends the process if none comes any more: the shim is gone then, or has given up.
ChannelPacket AwaitPacket(const FirstProcess& process);

// Becomes the root of the user namespace that the process is in.
Result BecomeRoot(const FirstProcess& process);

// The mount that the shim has made for the step that is performed.
Result ReceiveMount(const FirstProcess& process, Fd* out);

// Sets the capabilities that the `capabilities` step announced, if it has not been done.
Result ApplyCapabilities(FirstProcess& process);

// Installs the filter that the `seccomp` step left for last, if it has not been done. Only what the filter allows works from then on.
Result ApplyFilter(FirstProcess& process);

// The same for a process beside it, which has no agent: to it, calls that are the agent's to answer are not there.
Result ApplyFilterUnheard(FirstProcess& process);

// For a process that goes on as the shim's own program: tells that it runs, as the exec of another's does.
Result BeginRunning(FirstProcess& process);

Result Perform(FirstProcess& process, const JoinCgroupStep& step);
Result Perform(FirstProcess& process, const AwaitGroupsStep& step);
Result Perform(FirstProcess& process, const CgroupNamespaceStep& step);
Result Perform(FirstProcess& process, const SetPropagationStep& step);
Result Perform(FirstProcess& process, const StageStep& step);
Result Perform(FirstProcess& process, const BringStep& step);
Result Perform(FirstProcess& process, const RootOverlayStep& step);
Result Perform(FirstProcess& process, const RootBindStep& step);
Result Perform(FirstProcess& process, const MountStep& step);
Result Perform(FirstProcess& process, const BindStep& step);
Result Perform(FirstProcess& process, const OpenTreeStep& step);
Result Perform(FirstProcess& process, const IdmapStep& step);
Result Perform(FirstProcess& process, const OverlayStep& step);
Result Perform(FirstProcess& process, const MemoryFolderStep& step);
Result Perform(FirstProcess& process, const MemoryFileStep& step);
Result Perform(FirstProcess& process, const MemoryMountStep& step);
Result Perform(FirstProcess& process, const DeviceStep& step);
Result Perform(FirstProcess& process, const SymlinkStep& step);
Result Perform(FirstProcess& process, const MaskStep& step);
Result Perform(FirstProcess& process, const ReadonlyPathStep& step);
Result Perform(FirstProcess& process, const PivotRootStep& step);
Result Perform(FirstProcess& process, const ReadonlyRootStep& step);
Result Perform(FirstProcess& process, const HostnameStep& step);
Result Perform(FirstProcess& process, const SysctlStep& step);
Result Perform(FirstProcess& process, const LoopbackUpStep& step);
Result Perform(FirstProcess& process, const RlimitStep& step);
Result Perform(FirstProcess& process, const OomScoreAdjStep& step);
Result Perform(FirstProcess& process, const UmaskStep& step);
Result Perform(FirstProcess& process, const MakeFolderStep& step);
Result Perform(FirstProcess& process, const HookStep& step);
Result Perform(FirstProcess& process, const ReadyStep& step);
Result Perform(FirstProcess& process, const SessionKeyringStep& step);
Result Perform(FirstProcess& process, const CapabilitiesStep& step);
Result Perform(FirstProcess& process, const UserStep& step);
Result Perform(FirstProcess& process, const NoNewPrivilegesStep& step);
Result Perform(FirstProcess& process, const ChdirStep& step);
Result Perform(FirstProcess& process, const ExecStep& step);
Result Perform(FirstProcess& process, const JoinParentStep& step);
Result Perform(FirstProcess& process, const JoinNamespaceStep& step);
Result Perform(FirstProcess& process, const TimeNamespaceStep& step);
Result Perform(FirstProcess& process, const ConsoleStep& step);
Result Perform(FirstProcess& process, const InitStep& step);
Result Perform(FirstProcess& process, const SandboxStep& step);
Result Perform(FirstProcess& process, const ConnectStep& step);
Result Perform(FirstProcess& process, const SeccompStep& step);
Result Perform(FirstProcess& process, const LandlockRulesetStep& step);
Result Perform(FirstProcess& process, const LandlockPathStep& step);
Result Perform(FirstProcess& process, const LandlockPortStep& step);
Result Perform(FirstProcess& process, const LandlockStep& step);

}  // namespace gantry
