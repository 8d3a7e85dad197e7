// Generated from protocol/protocol.json by protocol/generate.mjs; edit those.
#pragma once

#include "field.h"

namespace gantry {

constexpr uint32_t kProtocolVersion = 10;
constexpr uint32_t kMaxFrame = 1048576;
constexpr uint32_t kNoStep = 4294967295u;

// The path socket, mode 0600.
constexpr char kSocketFile[] = "shim.sock";
// Lines of the Kubernetes CRI log format, or of JSON; rotated ones are log.1 (newest), log.2 and so on.
constexpr char kLogFile[] = "log";
// Of the plain format, the bytes of that stream; rotated as `log`.
constexpr char kOutputFile[] = "stdout";
// Of the plain format, the bytes of that stream; rotated as `log`.
constexpr char kErrorsFile[] = "stderr";
// Written whole before exited is sent; three lines: `exited CODE`, `signaled SIGNAL`, or `failed ERRNO` if the
// program could not be started after its release; `at MILLISECONDS` since the epoch; `process PID STARTTIME` as in
// hello.
constexpr char kExitRecordFile[] = "exit";

enum class HostMessage : uint8_t {
  kClone = 1,
  kLaunch = 5,
  kGrouped = 10,
  kRelease = 2,
  kSignal = 3,
  kEnter = 6,
  kAttach = 7,
  kEndInput = 8,
  kResize = 9,
  kStatus = 4,
};

enum class ShimMessage : uint8_t {
  kHello = 65,
  kCloned = 70,
  kFailed = 66,
  kStarted = 67,
  kExited = 68,
  kDone = 69,
};

enum class StepCode : uint8_t {
  kJoinCgroup = 1,
  kAwaitGroups = 43,
  kCgroupNamespace = 27,
  kSetPropagation = 2,
  kStage = 40,
  kBring = 41,
  kRootOverlay = 3,
  kRootBind = 4,
  kMount = 5,
  kBind = 6,
  kOpenTree = 60,
  kIdmap = 61,
  kOverlay = 62,
  kMemoryFolder = 63,
  kMemoryFile = 64,
  kMemoryMount = 65,
  kDevice = 7,
  kSymlink = 8,
  kMask = 9,
  kReadonlyPath = 10,
  kPivotRoot = 11,
  kReadonlyRoot = 12,
  kHostname = 13,
  kSysctl = 14,
  kLoopbackUp = 15,
  kRlimit = 16,
  kOomScoreAdj = 17,
  kUmask = 18,
  kMakeFolder = 19,
  kHook = 42,
  kReady = 20,
  kSessionKeyring = 21,
  kCapabilities = 22,
  kUser = 23,
  kNoNewPrivileges = 24,
  kChdir = 25,
  kJoinParent = 28,
  kJoinNamespace = 29,
  kTimeNamespace = 34,
  kConsole = 30,
  kInit = 31,
  kSandbox = 32,
  kSeccomp = 35,
  kLandlockRuleset = 70,
  kLandlockPath = 71,
  kLandlockPort = 72,
  kLandlock = 73,
  kConnect = 33,
  kExec = 26,
};

inline const char* StepName(StepCode code) {
  switch (code) {
    case StepCode::kJoinCgroup:
      return "joinCgroup";
    case StepCode::kAwaitGroups:
      return "awaitGroups";
    case StepCode::kCgroupNamespace:
      return "cgroupNamespace";
    case StepCode::kSetPropagation:
      return "setPropagation";
    case StepCode::kStage:
      return "stage";
    case StepCode::kBring:
      return "bring";
    case StepCode::kRootOverlay:
      return "rootOverlay";
    case StepCode::kRootBind:
      return "rootBind";
    case StepCode::kMount:
      return "mount";
    case StepCode::kBind:
      return "bind";
    case StepCode::kOpenTree:
      return "openTree";
    case StepCode::kIdmap:
      return "idmap";
    case StepCode::kOverlay:
      return "overlay";
    case StepCode::kMemoryFolder:
      return "memoryFolder";
    case StepCode::kMemoryFile:
      return "memoryFile";
    case StepCode::kMemoryMount:
      return "memoryMount";
    case StepCode::kDevice:
      return "device";
    case StepCode::kSymlink:
      return "symlink";
    case StepCode::kMask:
      return "mask";
    case StepCode::kReadonlyPath:
      return "readonlyPath";
    case StepCode::kPivotRoot:
      return "pivotRoot";
    case StepCode::kReadonlyRoot:
      return "readonlyRoot";
    case StepCode::kHostname:
      return "hostname";
    case StepCode::kSysctl:
      return "sysctl";
    case StepCode::kLoopbackUp:
      return "loopbackUp";
    case StepCode::kRlimit:
      return "rlimit";
    case StepCode::kOomScoreAdj:
      return "oomScoreAdj";
    case StepCode::kUmask:
      return "umask";
    case StepCode::kMakeFolder:
      return "makeFolder";
    case StepCode::kHook:
      return "hook";
    case StepCode::kReady:
      return "ready";
    case StepCode::kSessionKeyring:
      return "sessionKeyring";
    case StepCode::kCapabilities:
      return "capabilities";
    case StepCode::kUser:
      return "user";
    case StepCode::kNoNewPrivileges:
      return "noNewPrivileges";
    case StepCode::kChdir:
      return "chdir";
    case StepCode::kJoinParent:
      return "joinParent";
    case StepCode::kJoinNamespace:
      return "joinNamespace";
    case StepCode::kTimeNamespace:
      return "timeNamespace";
    case StepCode::kConsole:
      return "console";
    case StepCode::kInit:
      return "init";
    case StepCode::kSandbox:
      return "sandbox";
    case StepCode::kSeccomp:
      return "seccomp";
    case StepCode::kLandlockRuleset:
      return "landlockRuleset";
    case StepCode::kLandlockPath:
      return "landlockPath";
    case StepCode::kLandlockPort:
      return "landlockPort";
    case StepCode::kLandlock:
      return "landlock";
    case StepCode::kConnect:
      return "connect";
    case StepCode::kExec:
      return "exec";
  }
  return "unknown step";
}

// The first frame on the socket that the shim inherits, its version the first field in every version: make the
// first process, which performs `steps`, those that need nothing of the host, and `groups`, by which it joins
// control groups that were made ahead, and waits for the second; `cgroup` is the v2 folder to clone it into, or
// empty; unless it is 0, `parent`, which started at `parentStartTime`, is the process in whose `parentNamespaces`
// (CLONE_NEWPID, CLONE_NEWUSER) it is made. With a user namespace of its own, or `groups`, it is answered by cloned.
struct CloneMessage {
  uint32_t version{};
  uint64_t cloneFlags{};
  Text cgroup{};
  int32_t parent{};
  uint64_t parentStartTime{};
  uint64_t parentNamespaces{};
  StepList steps{};
  StepList groups{};
};

// The second frame: whose the shim is, where the container's files are, the namespaces (CLONE_NEW*) that the first
// process makes of what the host has now, and its further steps; with `release` it does not wait at `ready`; with
// `groups` it waits at `awaitGroups` for grouped, and until that comes the end of the launcher is the end of the
// launch even with `release`; with `input` its standard input is a pipe for those who attach; `logFormat` 0 cri, 1
// json, 2 plain. In a user namespace: unless empty, `uidMap` and `gidMap` are written first, after `deny` to
// setgroups without `setgroups`; with `outside` the shim does for the first process what needs the host's
// privileges, makes the mounts of host paths for it, those of the root idmapped, and gives the streams to `rootUid`
// and `rootGid`. Unless empty, `agent` is the Unix socket to which the shim connects the first process for the step
// `seccomp`.
struct LaunchMessage {
  Text id{};
  Text stateDir{};
  uint8_t input{};
  uint8_t logFormat{};
  uint64_t logMaxBytes{};
  uint32_t logMaxFiles{};
  uint64_t unshare{};
  uint8_t release{};
  uint8_t groups{};
  Text uidMap{};
  Text gidMap{};
  uint8_t setgroups{};
  uint8_t outside{};
  uint32_t rootUid{};
  uint32_t rootGid{};
  Text agent{};
  StepList steps{};
};

// The control groups are there that the first process is to join; with `joined` it is in them since `groups` of the
// clone message, and they have their names now.
struct GroupedMessage {
  uint8_t joined{};
};

// Let the blocked first process go to its exec.
struct ReleaseMessage {};

// Send a signal to the first process; answered by done.
struct SignalMessage {
  uint32_t request{};
  int32_t signal{};
};

// The only message of a connection, which comes with three descriptors (SCM_RIGHTS): start another process in the
// namespaces (CLONE_NEW*) of the first, with these as 0, 1 and 2; the v1 folders `cgroups` are joined, or the v2
// folder `cgroup`. It is answered by failed, or by started and exited; the other messages of the connection are
// about this process, and its end is the process's too; with `terminal` the process makes one by the step
// `console`, and the shim copies between it and the descriptors 0 and 1; `agent` is as of launch.
struct EnterMessage {
  uint64_t namespaces{};
  TextList cgroups{};
  Text cgroup{};
  uint8_t terminal{};
  Text agent{};
  StepList steps{};
};

// The first message of a connection, which comes with one descriptor (SCM_RIGHTS), the reading end of a pipe: what
// comes from it is the container's input; answered by done, errno ENOTTY if the container has no input.
struct AttachMessage {
  uint32_t request{};
};

// Of a connection that attached: at its pipe's end the container's input ends too; a pipe that ends without it is a
// client's detaching.
struct EndInputMessage {};

// Set the size of the terminal that the connection is about; answered by done, errno ENOTTY if there is none.
struct ResizeMessage {
  uint32_t request{};
  uint32_t columns{};
  uint32_t rows{};
};

// Ask for hello again; answered by done.
struct StatusMessage {
  uint32_t request{};
};

inline bool Read(FieldReader& in, CloneMessage* out) {
  return in.Read(&out->version) &&
         in.Read(&out->cloneFlags) &&
         in.Read(&out->cgroup) &&
         in.Read(&out->parent) &&
         in.Read(&out->parentStartTime) &&
         in.Read(&out->parentNamespaces) &&
         in.Read(&out->steps) &&
         in.Read(&out->groups) &&
         in.AtEnd();
}

inline bool Read(FieldReader& in, LaunchMessage* out) {
  return in.Read(&out->id) &&
         in.Read(&out->stateDir) &&
         in.Read(&out->input) &&
         in.Read(&out->logFormat) &&
         in.Read(&out->logMaxBytes) &&
         in.Read(&out->logMaxFiles) &&
         in.Read(&out->unshare) &&
         in.Read(&out->release) &&
         in.Read(&out->groups) &&
         in.Read(&out->uidMap) &&
         in.Read(&out->gidMap) &&
         in.Read(&out->setgroups) &&
         in.Read(&out->outside) &&
         in.Read(&out->rootUid) &&
         in.Read(&out->rootGid) &&
         in.Read(&out->agent) &&
         in.Read(&out->steps) &&
         in.AtEnd();
}

inline bool Read(FieldReader& in, GroupedMessage* out) {
  return in.Read(&out->joined) &&
         in.AtEnd();
}

inline bool Read(FieldReader& in, ReleaseMessage*) {
  return in.AtEnd();
}

inline bool Read(FieldReader& in, SignalMessage* out) {
  return in.Read(&out->request) &&
         in.Read(&out->signal) &&
         in.AtEnd();
}

inline bool Read(FieldReader& in, EnterMessage* out) {
  return in.Read(&out->namespaces) &&
         in.Read(&out->cgroups) &&
         in.Read(&out->cgroup) &&
         in.Read(&out->terminal) &&
         in.Read(&out->agent) &&
         in.Read(&out->steps) &&
         in.AtEnd();
}

inline bool Read(FieldReader& in, AttachMessage* out) {
  return in.Read(&out->request) &&
         in.AtEnd();
}

inline bool Read(FieldReader& in, EndInputMessage*) {
  return in.AtEnd();
}

inline bool Read(FieldReader& in, ResizeMessage* out) {
  return in.Read(&out->request) &&
         in.Read(&out->columns) &&
         in.Read(&out->rows) &&
         in.AtEnd();
}

inline bool Read(FieldReader& in, StatusMessage* out) {
  return in.Read(&out->request) &&
         in.AtEnd();
}

// The first frame to every client of the path socket, and to the launching host once the first process is blocked
// and ready; the same in every version.
struct HelloMessage {
  uint32_t version{};
  int32_t shimPid{};
  int32_t pid{};
  uint64_t startTime{};
  uint8_t released{};
};

// The first process waits: in its user namespace, whose ids may be mapped now, as the launch frame tells; or in its
// control groups, which may be renamed now.
struct ClonedMessage {
  int32_t pid{};
};

// A step, or the shim's own work, failed; the launch is over.
struct FailedMessage {
  uint32_t step{};
  Text name{};
  int32_t errno_{};
  Text path{};
};

// The exec succeeded.
struct StartedMessage {
  uint64_t at{};
};

// The first process ended and the exit record is on disk; type 0 code, 1 signal.
struct ExitedMessage {
  uint8_t type{};
  int32_t value{};
  uint64_t at{};
};

// The answer to a request; errno 0 on success, ESRCH once the first process has ended.
struct DoneMessage {
  uint32_t request{};
  int32_t errno_{};
};

inline void Write(FieldWriter& out, const HelloMessage& message) {
  out.Write(static_cast<uint8_t>(ShimMessage::kHello));
  out.Write(message.version);
  out.Write(message.shimPid);
  out.Write(message.pid);
  out.Write(message.startTime);
  out.Write(message.released);
}

inline void Write(FieldWriter& out, const ClonedMessage& message) {
  out.Write(static_cast<uint8_t>(ShimMessage::kCloned));
  out.Write(message.pid);
}

inline void Write(FieldWriter& out, const FailedMessage& message) {
  out.Write(static_cast<uint8_t>(ShimMessage::kFailed));
  out.Write(message.step);
  out.Write(message.name);
  out.Write(message.errno_);
  out.Write(message.path);
}

inline void Write(FieldWriter& out, const StartedMessage& message) {
  out.Write(static_cast<uint8_t>(ShimMessage::kStarted));
  out.Write(message.at);
}

inline void Write(FieldWriter& out, const ExitedMessage& message) {
  out.Write(static_cast<uint8_t>(ShimMessage::kExited));
  out.Write(message.type);
  out.Write(message.value);
  out.Write(message.at);
}

inline void Write(FieldWriter& out, const DoneMessage& message) {
  out.Write(static_cast<uint8_t>(ShimMessage::kDone));
  out.Write(message.request);
  out.Write(message.errno_);
}

// Write 0 to `tasks` in the v1 folder `path`: the caller moves itself, which takes no global lock.
struct JoinCgroupStep {
  Text path{};
};

// Wait until the control groups are there that the next steps join; of a frame `launch` with `groups`, once.
struct AwaitGroupsStep {};

// A cgroup namespace rooted where the caller is; after every `joinCgroup`.
struct CgroupNamespaceStep {};

// Mount propagation of / recursively; must precede every mount.
struct SetPropagationStep {
  uint64_t flags{};
};

// Of the frame `clone` alone: make a mount namespace with nothing in it but an empty root, in which the further
// steps of that frame are performed; the caller then goes back to the host's mounts, until `rootOverlay` or
// `rootBind` takes it and the container's root to its own.
struct StageStep {};

// Move what was mounted at `path` before the container's root was, with all that is mounted in it, to that path of
// the root, which is created (folder) if absent; unless `links`, no part of it may be one.
struct BringStep {
  Text path{};
  uint8_t links{};
};

// Mount an overlay at `target`, volatile and nodev; `lower` lowest first, at most 500; `userxattr` where the mount
// belongs to a user namespace.
struct RootOverlayStep {
  Text target{};
  TextList lower{};
  Text upper{};
  Text work{};
  uint8_t userxattr{};
};

// Recursive bind of the folder `source` at `target`, nodev.
struct RootBindStep {
  Text target{};
  Text source{};
};

// New file system at `target`, resolved inside the root and created (folder) if absent; flags are MS_*; data is the
// file system's options.
struct MountStep {
  Text type{};
  Text source{};
  Text target{};
  uint64_t flags{};
  Text data{};
};

// Open_tree clone of the host path `source`, with attributes (MOUNT_ATTR_*) of its own and `recursiveAttributes` of
// all that is mounted below it, too; moved to `target`, which is created to match (file or folder). With `idmap` (1
// the mount, 2 all of them) it is seen through the user namespace of the last `idmap`. `identity`, unless empty, is
// `DEVICE:INODE` of what the source must be: ESTALE. If `source` is empty, it is the next of those that `openTree`
// opened, as it is.
struct BindStep {
  Text source{};
  Text target{};
  uint8_t recursive{};
  uint64_t attributes{};
  uint64_t recursiveAttributes{};
  uint8_t idmap{};
  Text identity{};
};

// Before `setPropagation`: a clone as of `bind`, for a `bind` without a source; each is used once, in order, at
// most 64; `propagation` is MS_SHARED, of a source that is shared already, or MS_SLAVE.
struct OpenTreeStep {
  Text source{};
  uint8_t recursive{};
  uint64_t attributes{};
  uint64_t recursiveAttributes{};
  uint8_t idmap{};
  uint64_t propagation{};
  Text identity{};
};

// A user namespace whose lines of uid_map and gid_map are `uids` and `gids`, for the next `bind` or `openTree`.
struct IdmapStep {
  TextList uids{};
  TextList gids{};
};

// An overlay as of `rootOverlay`, with attributes (MOUNT_ATTR_*), at `target` inside the root, created (folder) if
// absent; `staging` is a folder of the host over which it may be put together.
struct OverlayStep {
  Text target{};
  Text staging{};
  TextList lower{};
  Text upper{};
  Text work{};
  uint8_t userxattr{};
  uint64_t attributes{};
};

// A new ramfs, mounted nowhere yet, whose folder has this mode and owner.
struct MemoryFolderStep {
  uint32_t mode{};
  uint32_t uid{};
  uint32_t gid{};
};

// A file in the folder of the last `memoryFolder`; `name` has no slash.
struct MemoryFileStep {
  Text name{};
  uint32_t mode{};
  uint32_t uid{};
  uint32_t gid{};
  Blob content{};
};

// The folder of the last `memoryFolder`, or its file `file` if that is not empty, read-only at `target` inside the
// root, created to match.
struct MemoryMountStep {
  Text target{};
  Text file{};
};

// Mknod inside the root, parents created; type is S_IFCHR, S_IFBLK or S_IFIFO; mode, owner set exactly. With `host`
// the node of that host path is bound instead, ENODEV unless it is that device.
struct DeviceStep {
  Text host{};
  Text path{};
  uint32_t type{};
  uint32_t major{};
  uint32_t minor{};
  uint32_t mode{};
  uint32_t uid{};
  uint32_t gid{};
};

// `path` inside the root becomes a link to `target`; one that is already so is fine.
struct SymlinkStep {
  Text target{};
  Text path{};
};

// Hide `path`: a file under the container's /dev/null, verified 1:3; a folder under an empty read-only tmpfs;
// absent is fine.
struct MaskStep {
  Text path{};
};

// Bind `path` on itself read-only; absent is fine.
struct ReadonlyPathStep {
  Text path{};
};

// Pivot_root to `path`, detach the old root, chdir /; after `stage`, chroot to the root, below which there is
// nothing; paths of later steps are the container's own.
struct PivotRootStep {
  Text path{};
};

// Remount / read-only.
struct ReadonlyRootStep {};

// Set the host name of the UTS namespace.
struct HostnameStep {
  Text name{};
};

// Write `value` to /proc/sys/`path`; on a verified procfs.
struct SysctlStep {
  Text path{};
  Text value{};
};

// Bring up the interface lo of the network namespace.
struct LoopbackUpStep {};

// `clamp` lowers soft and hard to the current hard limit when raising it is not permitted.
struct RlimitStep {
  int32_t resource{};
  uint64_t soft{};
  uint64_t hard{};
  uint8_t clamp{};
};

// Write the caller's own oom_score_adj.
struct OomScoreAdjStep {
  int32_t value{};
};

// Set the file mode creation mask.
struct UmaskStep {
  uint32_t mask{};
};

// Mkdir -p inside the root, mode 0755; one that exists is left as it is.
struct MakeFolderStep {
  Text path{};
};

// Before `pivotRoot` a program of the host, with all that the caller may do; after `ready` one of the container's,
// with no more than its own program may do. It gets `state` with `,"pid":PID}` added, of the caller in its own pid
// namespace, as standard input, and exactly `env`. The caller waits, at most `timeout` seconds unless that is 0.
// What it leaves running is killed. ECANCELED if it does not exit with 0, ETIMEDOUT; the errno of the exec.
struct HookStep {
  Text path{};
  TextList argv{};
  TextList env{};
  uint32_t timeout{};
  Text state{};
};

// The barrier: report ready, wait for release unless that was given with the launch; everything before it is set-up
// that still needs privilege.
struct ReadyStep {};

// Join a new anonymous session keyring; ENOSYS and EDQUOT are fine.
struct SessionKeyringStep {};

// Bit masks; drops the bounding set to `bounding` now, keeps the rest over the user change, and sets them exactly
// after it.
struct CapabilitiesStep {
  uint64_t bounding{};
  uint64_t effective{};
  uint64_t permitted{};
  uint64_t inheritable{};
  uint64_t ambient{};
};

// Setgroups, setresgid, setresuid; then the capabilities of the step before; groups are decimal numbers.
struct UserStep {
  uint32_t uid{};
  uint32_t gid{};
  TextList groups{};
};

// Set PR_SET_NO_NEW_PRIVS.
struct NoNewPrivilegesStep {};

// And verify that getcwd lies inside the root.
struct ChdirStep {
  Text path{};
};

// Join namespaces (CLONE_NEW*) of the process `pid`, ESRCH unless it started at `startTime`.
struct JoinParentStep {
  int32_t pid{};
  uint64_t startTime{};
  uint64_t namespaces{};
};

// Join the namespace (CLONE_NEW*) that the host's file `path` stands for.
struct JoinNamespaceStep {
  Text path{};
  uint64_t namespace_{};
};

// A time namespace of its own; `offsets` as for /proc/<pid>/timens_offsets.
struct TimeNamespaceStep {
  Text offsets{};
};

// After `pivotRoot`: make a terminal of the container's /dev/pts, owned by `uid`, the caller's standard streams and
// controlling terminal, and /dev/console if that is asked; its other end goes to the shim.
struct ConsoleStep {
  uint32_t columns{};
  uint32_t rows{};
  uint32_t uid{};
  uint8_t devConsole{};
};

// After `ready`: go on in a child; the caller reaps, passes signals on to the child, and ends as it does, with 128
// + signal if it was killed.
struct InitStep {};

// In place of `exec`: tell that it has succeeded, reap, and end with 0 at SIGTERM, SIGINT, SIGQUIT or SIGHUP.
struct SandboxStep {};

// Install a seccomp filter, `program` of struct sock_filter, with SECCOMP_FILTER_FLAG_*; `last` has it done just
// before the exec, or as the first thing of `init` and `sandbox`, else at once. Unless it is empty, `state` is sent
// to the agent with the listener of the filter, its parts joined by the id of the process.
struct SeccompStep {
  Blob program{};
  uint32_t flags{};
  uint8_t last{};
  TextList state{};
};

// Begin the Landlock ruleset of the container, which denies these LANDLOCK_ACCESS_FS_* and LANDLOCK_ACCESS_NET_*
// but for what the next steps allow, and all of LANDLOCK_SCOPE_*.
struct LandlockRulesetStep {
  uint64_t files{};
  uint64_t network{};
  uint64_t scopes{};
};

// Allow `access` (LANDLOCK_ACCESS_FS_*) to what `path` is inside the root now and to all below it; of a file, what
// files can have of that.
struct LandlockPathStep {
  Text path{};
  uint64_t access{};
};

// Allow `access` (LANDLOCK_ACCESS_NET_*) to a TCP port.
struct LandlockPortStep {
  uint32_t port{};
  uint64_t access{};
};

// After `noNewPrivileges`: put the caller under the ruleset. That which the first process has made goes to the
// shim, which has each process that enters come under the same one.
struct LandlockStep {};

// In place of `exec`: connect to a TCP port of the loopback, by IPv4, else IPv6, tell that it has succeeded, and
// copy between that and the standard streams until both directions have ended.
struct ConnectStep {
  uint32_t port{};
};

// Close_range all but 0, 1, 2, default signals and mask, parent-death SIGKILL; argv[0] without a slash is looked up
// in PATH of `env`; a script without #! is not run through a shell.
struct ExecStep {
  TextList argv{};
  TextList env{};
};

inline bool Read(FieldReader& in, JoinCgroupStep* out) {
  return in.Read(&out->path) &&
         in.AtEnd();
}

inline bool Read(FieldReader& in, AwaitGroupsStep*) {
  return in.AtEnd();
}

inline bool Read(FieldReader& in, CgroupNamespaceStep*) {
  return in.AtEnd();
}

inline bool Read(FieldReader& in, SetPropagationStep* out) {
  return in.Read(&out->flags) &&
         in.AtEnd();
}

inline bool Read(FieldReader& in, StageStep*) {
  return in.AtEnd();
}

inline bool Read(FieldReader& in, BringStep* out) {
  return in.Read(&out->path) &&
         in.Read(&out->links) &&
         in.AtEnd();
}

inline bool Read(FieldReader& in, RootOverlayStep* out) {
  return in.Read(&out->target) &&
         in.Read(&out->lower) &&
         in.Read(&out->upper) &&
         in.Read(&out->work) &&
         in.Read(&out->userxattr) &&
         in.AtEnd();
}

inline bool Read(FieldReader& in, RootBindStep* out) {
  return in.Read(&out->target) &&
         in.Read(&out->source) &&
         in.AtEnd();
}

inline bool Read(FieldReader& in, MountStep* out) {
  return in.Read(&out->type) &&
         in.Read(&out->source) &&
         in.Read(&out->target) &&
         in.Read(&out->flags) &&
         in.Read(&out->data) &&
         in.AtEnd();
}

inline bool Read(FieldReader& in, BindStep* out) {
  return in.Read(&out->source) &&
         in.Read(&out->target) &&
         in.Read(&out->recursive) &&
         in.Read(&out->attributes) &&
         in.Read(&out->recursiveAttributes) &&
         in.Read(&out->idmap) &&
         in.Read(&out->identity) &&
         in.AtEnd();
}

inline bool Read(FieldReader& in, OpenTreeStep* out) {
  return in.Read(&out->source) &&
         in.Read(&out->recursive) &&
         in.Read(&out->attributes) &&
         in.Read(&out->recursiveAttributes) &&
         in.Read(&out->idmap) &&
         in.Read(&out->propagation) &&
         in.Read(&out->identity) &&
         in.AtEnd();
}

inline bool Read(FieldReader& in, IdmapStep* out) {
  return in.Read(&out->uids) &&
         in.Read(&out->gids) &&
         in.AtEnd();
}

inline bool Read(FieldReader& in, OverlayStep* out) {
  return in.Read(&out->target) &&
         in.Read(&out->staging) &&
         in.Read(&out->lower) &&
         in.Read(&out->upper) &&
         in.Read(&out->work) &&
         in.Read(&out->userxattr) &&
         in.Read(&out->attributes) &&
         in.AtEnd();
}

inline bool Read(FieldReader& in, MemoryFolderStep* out) {
  return in.Read(&out->mode) &&
         in.Read(&out->uid) &&
         in.Read(&out->gid) &&
         in.AtEnd();
}

inline bool Read(FieldReader& in, MemoryFileStep* out) {
  return in.Read(&out->name) &&
         in.Read(&out->mode) &&
         in.Read(&out->uid) &&
         in.Read(&out->gid) &&
         in.Read(&out->content) &&
         in.AtEnd();
}

inline bool Read(FieldReader& in, MemoryMountStep* out) {
  return in.Read(&out->target) &&
         in.Read(&out->file) &&
         in.AtEnd();
}

inline bool Read(FieldReader& in, DeviceStep* out) {
  return in.Read(&out->host) &&
         in.Read(&out->path) &&
         in.Read(&out->type) &&
         in.Read(&out->major) &&
         in.Read(&out->minor) &&
         in.Read(&out->mode) &&
         in.Read(&out->uid) &&
         in.Read(&out->gid) &&
         in.AtEnd();
}

inline bool Read(FieldReader& in, SymlinkStep* out) {
  return in.Read(&out->target) &&
         in.Read(&out->path) &&
         in.AtEnd();
}

inline bool Read(FieldReader& in, MaskStep* out) {
  return in.Read(&out->path) &&
         in.AtEnd();
}

inline bool Read(FieldReader& in, ReadonlyPathStep* out) {
  return in.Read(&out->path) &&
         in.AtEnd();
}

inline bool Read(FieldReader& in, PivotRootStep* out) {
  return in.Read(&out->path) &&
         in.AtEnd();
}

inline bool Read(FieldReader& in, ReadonlyRootStep*) {
  return in.AtEnd();
}

inline bool Read(FieldReader& in, HostnameStep* out) {
  return in.Read(&out->name) &&
         in.AtEnd();
}

inline bool Read(FieldReader& in, SysctlStep* out) {
  return in.Read(&out->path) &&
         in.Read(&out->value) &&
         in.AtEnd();
}

inline bool Read(FieldReader& in, LoopbackUpStep*) {
  return in.AtEnd();
}

inline bool Read(FieldReader& in, RlimitStep* out) {
  return in.Read(&out->resource) &&
         in.Read(&out->soft) &&
         in.Read(&out->hard) &&
         in.Read(&out->clamp) &&
         in.AtEnd();
}

inline bool Read(FieldReader& in, OomScoreAdjStep* out) {
  return in.Read(&out->value) &&
         in.AtEnd();
}

inline bool Read(FieldReader& in, UmaskStep* out) {
  return in.Read(&out->mask) &&
         in.AtEnd();
}

inline bool Read(FieldReader& in, MakeFolderStep* out) {
  return in.Read(&out->path) &&
         in.AtEnd();
}

inline bool Read(FieldReader& in, HookStep* out) {
  return in.Read(&out->path) &&
         in.Read(&out->argv) &&
         in.Read(&out->env) &&
         in.Read(&out->timeout) &&
         in.Read(&out->state) &&
         in.AtEnd();
}

inline bool Read(FieldReader& in, ReadyStep*) {
  return in.AtEnd();
}

inline bool Read(FieldReader& in, SessionKeyringStep*) {
  return in.AtEnd();
}

inline bool Read(FieldReader& in, CapabilitiesStep* out) {
  return in.Read(&out->bounding) &&
         in.Read(&out->effective) &&
         in.Read(&out->permitted) &&
         in.Read(&out->inheritable) &&
         in.Read(&out->ambient) &&
         in.AtEnd();
}

inline bool Read(FieldReader& in, UserStep* out) {
  return in.Read(&out->uid) &&
         in.Read(&out->gid) &&
         in.Read(&out->groups) &&
         in.AtEnd();
}

inline bool Read(FieldReader& in, NoNewPrivilegesStep*) {
  return in.AtEnd();
}

inline bool Read(FieldReader& in, ChdirStep* out) {
  return in.Read(&out->path) &&
         in.AtEnd();
}

inline bool Read(FieldReader& in, JoinParentStep* out) {
  return in.Read(&out->pid) &&
         in.Read(&out->startTime) &&
         in.Read(&out->namespaces) &&
         in.AtEnd();
}

inline bool Read(FieldReader& in, JoinNamespaceStep* out) {
  return in.Read(&out->path) &&
         in.Read(&out->namespace_) &&
         in.AtEnd();
}

inline bool Read(FieldReader& in, TimeNamespaceStep* out) {
  return in.Read(&out->offsets) &&
         in.AtEnd();
}

inline bool Read(FieldReader& in, ConsoleStep* out) {
  return in.Read(&out->columns) &&
         in.Read(&out->rows) &&
         in.Read(&out->uid) &&
         in.Read(&out->devConsole) &&
         in.AtEnd();
}

inline bool Read(FieldReader& in, InitStep*) {
  return in.AtEnd();
}

inline bool Read(FieldReader& in, SandboxStep*) {
  return in.AtEnd();
}

inline bool Read(FieldReader& in, SeccompStep* out) {
  return in.Read(&out->program) &&
         in.Read(&out->flags) &&
         in.Read(&out->last) &&
         in.Read(&out->state) &&
         in.AtEnd();
}

inline bool Read(FieldReader& in, LandlockRulesetStep* out) {
  return in.Read(&out->files) &&
         in.Read(&out->network) &&
         in.Read(&out->scopes) &&
         in.AtEnd();
}

inline bool Read(FieldReader& in, LandlockPathStep* out) {
  return in.Read(&out->path) &&
         in.Read(&out->access) &&
         in.AtEnd();
}

inline bool Read(FieldReader& in, LandlockPortStep* out) {
  return in.Read(&out->port) &&
         in.Read(&out->access) &&
         in.AtEnd();
}

inline bool Read(FieldReader& in, LandlockStep*) {
  return in.AtEnd();
}

inline bool Read(FieldReader& in, ConnectStep* out) {
  return in.Read(&out->port) &&
         in.AtEnd();
}

inline bool Read(FieldReader& in, ExecStep* out) {
  return in.Read(&out->argv) &&
         in.Read(&out->env) &&
         in.AtEnd();
}

// Reads the fields of a step and calls `perform` with its struct. False if the code is unknown or the fields malformed.
template <typename Perform>
bool VisitStep(StepCode code, FieldReader& in, Perform&& perform) {
  auto visit = [&](auto step) {
    if (!Read(in, &step)) return false;
    perform(step);
    return true;
  };
  switch (code) {
    case StepCode::kJoinCgroup:
      return visit(JoinCgroupStep{});
    case StepCode::kAwaitGroups:
      return visit(AwaitGroupsStep{});
    case StepCode::kCgroupNamespace:
      return visit(CgroupNamespaceStep{});
    case StepCode::kSetPropagation:
      return visit(SetPropagationStep{});
    case StepCode::kStage:
      return visit(StageStep{});
    case StepCode::kBring:
      return visit(BringStep{});
    case StepCode::kRootOverlay:
      return visit(RootOverlayStep{});
    case StepCode::kRootBind:
      return visit(RootBindStep{});
    case StepCode::kMount:
      return visit(MountStep{});
    case StepCode::kBind:
      return visit(BindStep{});
    case StepCode::kOpenTree:
      return visit(OpenTreeStep{});
    case StepCode::kIdmap:
      return visit(IdmapStep{});
    case StepCode::kOverlay:
      return visit(OverlayStep{});
    case StepCode::kMemoryFolder:
      return visit(MemoryFolderStep{});
    case StepCode::kMemoryFile:
      return visit(MemoryFileStep{});
    case StepCode::kMemoryMount:
      return visit(MemoryMountStep{});
    case StepCode::kDevice:
      return visit(DeviceStep{});
    case StepCode::kSymlink:
      return visit(SymlinkStep{});
    case StepCode::kMask:
      return visit(MaskStep{});
    case StepCode::kReadonlyPath:
      return visit(ReadonlyPathStep{});
    case StepCode::kPivotRoot:
      return visit(PivotRootStep{});
    case StepCode::kReadonlyRoot:
      return visit(ReadonlyRootStep{});
    case StepCode::kHostname:
      return visit(HostnameStep{});
    case StepCode::kSysctl:
      return visit(SysctlStep{});
    case StepCode::kLoopbackUp:
      return visit(LoopbackUpStep{});
    case StepCode::kRlimit:
      return visit(RlimitStep{});
    case StepCode::kOomScoreAdj:
      return visit(OomScoreAdjStep{});
    case StepCode::kUmask:
      return visit(UmaskStep{});
    case StepCode::kMakeFolder:
      return visit(MakeFolderStep{});
    case StepCode::kHook:
      return visit(HookStep{});
    case StepCode::kReady:
      return visit(ReadyStep{});
    case StepCode::kSessionKeyring:
      return visit(SessionKeyringStep{});
    case StepCode::kCapabilities:
      return visit(CapabilitiesStep{});
    case StepCode::kUser:
      return visit(UserStep{});
    case StepCode::kNoNewPrivileges:
      return visit(NoNewPrivilegesStep{});
    case StepCode::kChdir:
      return visit(ChdirStep{});
    case StepCode::kJoinParent:
      return visit(JoinParentStep{});
    case StepCode::kJoinNamespace:
      return visit(JoinNamespaceStep{});
    case StepCode::kTimeNamespace:
      return visit(TimeNamespaceStep{});
    case StepCode::kConsole:
      return visit(ConsoleStep{});
    case StepCode::kInit:
      return visit(InitStep{});
    case StepCode::kSandbox:
      return visit(SandboxStep{});
    case StepCode::kSeccomp:
      return visit(SeccompStep{});
    case StepCode::kLandlockRuleset:
      return visit(LandlockRulesetStep{});
    case StepCode::kLandlockPath:
      return visit(LandlockPathStep{});
    case StepCode::kLandlockPort:
      return visit(LandlockPortStep{});
    case StepCode::kLandlock:
      return visit(LandlockStep{});
    case StepCode::kConnect:
      return visit(ConnectStep{});
    case StepCode::kExec:
      return visit(ExecStep{});
  }
  return false;
}

}  // namespace gantry
