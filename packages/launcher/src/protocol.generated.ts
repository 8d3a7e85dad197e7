// Generated from native/protocol/protocol.json by native/protocol/generate.mjs; edit those.
import { GantryError } from '@gantry/interface';

/** The version that host and shim must share. */
export const protocolVersion = 10;

/** The most bytes that may follow a frame's length. */
export const maxFrame = 1048576;

/** `step` of a failure that is the shim's own. */
export const noStep = 4294967295;

/** The files of the shim in a container's state folder. */
export const stateFiles = {
  /** The path socket, mode 0600. */
  socket: 'shim.sock',
  /** Lines of the Kubernetes CRI log format, or of JSON; rotated ones are log.1 (newest), log.2 and so on. */
  log: 'log',
  /** Of the plain format, the bytes of that stream; rotated as `log`. */
  output: 'stdout',
  /** Of the plain format, the bytes of that stream; rotated as `log`. */
  errors: 'stderr',
  /** Written whole before exited is sent; three lines: `exited CODE`, `signaled SIGNAL`, or `failed ERRNO` if the program could not be started after its release; `at MILLISECONDS` since the epoch; `process PID STARTTIME` as in hello. */
  exitRecord: 'exit',
} as const;

/**
 * A u64 is a number: a safe integer, or 2^64, which is what JSON reads 18446744073709551615 as and stands for
 * that value (RLIM_INFINITY).
 */
export const maxU64 = 2 ** 64;

/** Write 0 to `tasks` in the v1 folder `path`: the caller moves itself, which takes no global lock. */
export type JoinCgroupStep = {
  readonly op: 'joinCgroup';
  readonly path: string;
};

/** Wait until the control groups are there that the next steps join; of a frame `launch` with `groups`, once. */
export type AwaitGroupsStep = {
  readonly op: 'awaitGroups';
};

/** A cgroup namespace rooted where the caller is; after every `joinCgroup`. */
export type CgroupNamespaceStep = {
  readonly op: 'cgroupNamespace';
};

/** Mount propagation of / recursively; must precede every mount. */
export type SetPropagationStep = {
  readonly op: 'setPropagation';
  readonly flags: number;
};

/** Of the frame `clone` alone: make a mount namespace with nothing in it but an empty root, in which the further steps of that frame are performed; the caller then goes back to the host's mounts, until `rootOverlay` or `rootBind` takes it and the container's root to its own. */
export type StageStep = {
  readonly op: 'stage';
};

/** Move what was mounted at `path` before the container's root was, with all that is mounted in it, to that path of the root, which is created (folder) if absent; unless `links`, no part of it may be one. */
export type BringStep = {
  readonly op: 'bring';
  readonly path: string;
  readonly links: number;
};

/** Mount an overlay at `target`, volatile and nodev; `lower` lowest first, at most 500; `userxattr` where the mount belongs to a user namespace. */
export type RootOverlayStep = {
  readonly op: 'rootOverlay';
  readonly target: string;
  readonly lower: readonly string[];
  readonly upper: string;
  readonly work: string;
  readonly userxattr: number;
};

/** Recursive bind of the folder `source` at `target`, nodev. */
export type RootBindStep = {
  readonly op: 'rootBind';
  readonly target: string;
  readonly source: string;
};

/** New file system at `target`, resolved inside the root and created (folder) if absent; flags are MS_*; data is the file system's options. */
export type MountStep = {
  readonly op: 'mount';
  readonly type: string;
  readonly source: string;
  readonly target: string;
  readonly flags: number;
  readonly data: string;
};

/** Open_tree clone of the host path `source`, with attributes (MOUNT_ATTR_*) of its own and `recursiveAttributes` of all that is mounted below it, too; moved to `target`, which is created to match (file or folder). With `idmap` (1 the mount, 2 all of them) it is seen through the user namespace of the last `idmap`. `identity`, unless empty, is `DEVICE:INODE` of what the source must be: ESTALE. If `source` is empty, it is the next of those that `openTree` opened, as it is. */
export type BindStep = {
  readonly op: 'bind';
  readonly source: string;
  readonly target: string;
  readonly recursive: number;
  readonly attributes: number;
  readonly recursiveAttributes: number;
  readonly idmap: number;
  readonly identity: string;
};

/** Before `setPropagation`: a clone as of `bind`, for a `bind` without a source; each is used once, in order, at most 64; `propagation` is MS_SHARED, of a source that is shared already, or MS_SLAVE. */
export type OpenTreeStep = {
  readonly op: 'openTree';
  readonly source: string;
  readonly recursive: number;
  readonly attributes: number;
  readonly recursiveAttributes: number;
  readonly idmap: number;
  readonly propagation: number;
  readonly identity: string;
};

/** A user namespace whose lines of uid_map and gid_map are `uids` and `gids`, for the next `bind` or `openTree`. */
export type IdmapStep = {
  readonly op: 'idmap';
  readonly uids: readonly string[];
  readonly gids: readonly string[];
};

/** An overlay as of `rootOverlay`, with attributes (MOUNT_ATTR_*), at `target` inside the root, created (folder) if absent; `staging` is a folder of the host over which it may be put together. */
export type OverlayStep = {
  readonly op: 'overlay';
  readonly target: string;
  readonly staging: string;
  readonly lower: readonly string[];
  readonly upper: string;
  readonly work: string;
  readonly userxattr: number;
  readonly attributes: number;
};

/** A new ramfs, mounted nowhere yet, whose folder has this mode and owner. */
export type MemoryFolderStep = {
  readonly op: 'memoryFolder';
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
};

/** A file in the folder of the last `memoryFolder`; `name` has no slash. */
export type MemoryFileStep = {
  readonly op: 'memoryFile';
  readonly name: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly content: Uint8Array;
};

/** The folder of the last `memoryFolder`, or its file `file` if that is not empty, read-only at `target` inside the root, created to match. */
export type MemoryMountStep = {
  readonly op: 'memoryMount';
  readonly target: string;
  readonly file: string;
};

/** Mknod inside the root, parents created; type is S_IFCHR, S_IFBLK or S_IFIFO; mode, owner set exactly. With `host` the node of that host path is bound instead, ENODEV unless it is that device. */
export type DeviceStep = {
  readonly op: 'device';
  readonly host: string;
  readonly path: string;
  readonly type: number;
  readonly major: number;
  readonly minor: number;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
};

/** `path` inside the root becomes a link to `target`; one that is already so is fine. */
export type SymlinkStep = {
  readonly op: 'symlink';
  readonly target: string;
  readonly path: string;
};

/** Hide `path`: a file under the container's /dev/null, verified 1:3; a folder under an empty read-only tmpfs; absent is fine. */
export type MaskStep = {
  readonly op: 'mask';
  readonly path: string;
};

/** Bind `path` on itself read-only; absent is fine. */
export type ReadonlyPathStep = {
  readonly op: 'readonlyPath';
  readonly path: string;
};

/** Pivot_root to `path`, detach the old root, chdir /; after `stage`, chroot to the root, below which there is nothing; paths of later steps are the container's own. */
export type PivotRootStep = {
  readonly op: 'pivotRoot';
  readonly path: string;
};

/** Remount / read-only. */
export type ReadonlyRootStep = {
  readonly op: 'readonlyRoot';
};

/** Set the host name of the UTS namespace. */
export type HostnameStep = {
  readonly op: 'hostname';
  readonly name: string;
};

/** Write `value` to /proc/sys/`path`; on a verified procfs. */
export type SysctlStep = {
  readonly op: 'sysctl';
  readonly path: string;
  readonly value: string;
};

/** Bring up the interface lo of the network namespace. */
export type LoopbackUpStep = {
  readonly op: 'loopbackUp';
};

/** `clamp` lowers soft and hard to the current hard limit when raising it is not permitted. */
export type RlimitStep = {
  readonly op: 'rlimit';
  readonly resource: number;
  readonly soft: number;
  readonly hard: number;
  readonly clamp: number;
};

/** Write the caller's own oom_score_adj. */
export type OomScoreAdjStep = {
  readonly op: 'oomScoreAdj';
  readonly value: number;
};

/** Set the file mode creation mask. */
export type UmaskStep = {
  readonly op: 'umask';
  readonly mask: number;
};

/** Mkdir -p inside the root, mode 0755; one that exists is left as it is. */
export type MakeFolderStep = {
  readonly op: 'makeFolder';
  readonly path: string;
};

/** Before `pivotRoot` a program of the host, with all that the caller may do; after `ready` one of the container's, with no more than its own program may do. It gets `state` with `,"pid":PID}` added, of the caller in its own pid namespace, as standard input, and exactly `env`. The caller waits, at most `timeout` seconds unless that is 0. What it leaves running is killed. ECANCELED if it does not exit with 0, ETIMEDOUT; the errno of the exec. */
export type HookStep = {
  readonly op: 'hook';
  readonly path: string;
  readonly argv: readonly string[];
  readonly env: readonly string[];
  readonly timeout: number;
  readonly state: string;
};

/** The barrier: report ready, wait for release unless that was given with the launch; everything before it is set-up that still needs privilege. */
export type ReadyStep = {
  readonly op: 'ready';
};

/** Join a new anonymous session keyring; ENOSYS and EDQUOT are fine. */
export type SessionKeyringStep = {
  readonly op: 'sessionKeyring';
};

/** Bit masks; drops the bounding set to `bounding` now, keeps the rest over the user change, and sets them exactly after it. */
export type CapabilitiesStep = {
  readonly op: 'capabilities';
  readonly bounding: number;
  readonly effective: number;
  readonly permitted: number;
  readonly inheritable: number;
  readonly ambient: number;
};

/** Setgroups, setresgid, setresuid; then the capabilities of the step before; groups are decimal numbers. */
export type UserStep = {
  readonly op: 'user';
  readonly uid: number;
  readonly gid: number;
  readonly groups: readonly string[];
};

/** Set PR_SET_NO_NEW_PRIVS. */
export type NoNewPrivilegesStep = {
  readonly op: 'noNewPrivileges';
};

/** And verify that getcwd lies inside the root. */
export type ChdirStep = {
  readonly op: 'chdir';
  readonly path: string;
};

/** Join namespaces (CLONE_NEW*) of the process `pid`, ESRCH unless it started at `startTime`. */
export type JoinParentStep = {
  readonly op: 'joinParent';
  readonly pid: number;
  readonly startTime: number;
  readonly namespaces: number;
};

/** Join the namespace (CLONE_NEW*) that the host's file `path` stands for. */
export type JoinNamespaceStep = {
  readonly op: 'joinNamespace';
  readonly path: string;
  readonly namespace: number;
};

/** A time namespace of its own; `offsets` as for /proc/<pid>/timens_offsets. */
export type TimeNamespaceStep = {
  readonly op: 'timeNamespace';
  readonly offsets: string;
};

/** After `pivotRoot`: make a terminal of the container's /dev/pts, owned by `uid`, the caller's standard streams and controlling terminal, and /dev/console if that is asked; its other end goes to the shim. */
export type ConsoleStep = {
  readonly op: 'console';
  readonly columns: number;
  readonly rows: number;
  readonly uid: number;
  readonly devConsole: number;
};

/** After `ready`: go on in a child; the caller reaps, passes signals on to the child, and ends as it does, with 128 + signal if it was killed. */
export type InitStep = {
  readonly op: 'init';
};

/** In place of `exec`: tell that it has succeeded, reap, and end with 0 at SIGTERM, SIGINT, SIGQUIT or SIGHUP. */
export type SandboxStep = {
  readonly op: 'sandbox';
};

/** Install a seccomp filter, `program` of struct sock_filter, with SECCOMP_FILTER_FLAG_*; `last` has it done just before the exec, or as the first thing of `init` and `sandbox`, else at once. Unless it is empty, `state` is sent to the agent with the listener of the filter, its parts joined by the id of the process. */
export type SeccompStep = {
  readonly op: 'seccomp';
  readonly program: Uint8Array;
  readonly flags: number;
  readonly last: number;
  readonly state: readonly string[];
};

/** Begin the Landlock ruleset of the container, which denies these LANDLOCK_ACCESS_FS_* and LANDLOCK_ACCESS_NET_* but for what the next steps allow, and all of LANDLOCK_SCOPE_*. */
export type LandlockRulesetStep = {
  readonly op: 'landlockRuleset';
  readonly files: number;
  readonly network: number;
  readonly scopes: number;
};

/** Allow `access` (LANDLOCK_ACCESS_FS_*) to what `path` is inside the root now and to all below it; of a file, what files can have of that. */
export type LandlockPathStep = {
  readonly op: 'landlockPath';
  readonly path: string;
  readonly access: number;
};

/** Allow `access` (LANDLOCK_ACCESS_NET_*) to a TCP port. */
export type LandlockPortStep = {
  readonly op: 'landlockPort';
  readonly port: number;
  readonly access: number;
};

/** After `noNewPrivileges`: put the caller under the ruleset. That which the first process has made goes to the shim, which has each process that enters come under the same one. */
export type LandlockStep = {
  readonly op: 'landlock';
};

/** In place of `exec`: connect to a TCP port of the loopback, by IPv4, else IPv6, tell that it has succeeded, and copy between that and the standard streams until both directions have ended. */
export type ConnectStep = {
  readonly op: 'connect';
  readonly port: number;
};

/** Close_range all but 0, 1, 2, default signals and mask, parent-death SIGKILL; argv[0] without a slash is looked up in PATH of `env`; a script without #! is not run through a shell. */
export type ExecStep = {
  readonly op: 'exec';
  readonly argv: readonly string[];
  readonly env: readonly string[];
};

/** One step of a launch plan. */
export type Step =
  | JoinCgroupStep
  | AwaitGroupsStep
  | CgroupNamespaceStep
  | SetPropagationStep
  | StageStep
  | BringStep
  | RootOverlayStep
  | RootBindStep
  | MountStep
  | BindStep
  | OpenTreeStep
  | IdmapStep
  | OverlayStep
  | MemoryFolderStep
  | MemoryFileStep
  | MemoryMountStep
  | DeviceStep
  | SymlinkStep
  | MaskStep
  | ReadonlyPathStep
  | PivotRootStep
  | ReadonlyRootStep
  | HostnameStep
  | SysctlStep
  | LoopbackUpStep
  | RlimitStep
  | OomScoreAdjStep
  | UmaskStep
  | MakeFolderStep
  | HookStep
  | ReadyStep
  | SessionKeyringStep
  | CapabilitiesStep
  | UserStep
  | NoNewPrivilegesStep
  | ChdirStep
  | JoinParentStep
  | JoinNamespaceStep
  | TimeNamespaceStep
  | ConsoleStep
  | InitStep
  | SandboxStep
  | SeccompStep
  | LandlockRulesetStep
  | LandlockPathStep
  | LandlockPortStep
  | LandlockStep
  | ConnectStep
  | ExecStep;

/** The first frame on the socket that the shim inherits, its version the first field in every version: make the first process, which performs `steps`, those that need nothing of the host, and `groups`, by which it joins control groups that were made ahead, and waits for the second; `cgroup` is the v2 folder to clone it into, or empty; unless it is 0, `parent`, which started at `parentStartTime`, is the process in whose `parentNamespaces` (CLONE_NEWPID, CLONE_NEWUSER) it is made. With a user namespace of its own, or `groups`, it is answered by cloned. */
export type CloneMessage = {
  readonly op: 'clone';
  readonly version: number;
  readonly cloneFlags: number;
  readonly cgroup: string;
  readonly parent: number;
  readonly parentStartTime: number;
  readonly parentNamespaces: number;
  readonly steps: readonly Step[];
  readonly groups: readonly Step[];
};

/** The second frame: whose the shim is, where the container's files are, the namespaces (CLONE_NEW*) that the first process makes of what the host has now, and its further steps; with `release` it does not wait at `ready`; with `groups` it waits at `awaitGroups` for grouped, and until that comes the end of the launcher is the end of the launch even with `release`; with `input` its standard input is a pipe for those who attach; `logFormat` 0 cri, 1 json, 2 plain. In a user namespace: unless empty, `uidMap` and `gidMap` are written first, after `deny` to setgroups without `setgroups`; with `outside` the shim does for the first process what needs the host's privileges, makes the mounts of host paths for it, those of the root idmapped, and gives the streams to `rootUid` and `rootGid`. Unless empty, `agent` is the Unix socket to which the shim connects the first process for the step `seccomp`. */
export type LaunchMessage = {
  readonly op: 'launch';
  readonly id: string;
  readonly stateDir: string;
  readonly input: number;
  readonly logFormat: number;
  readonly logMaxBytes: number;
  readonly logMaxFiles: number;
  readonly unshare: number;
  readonly release: number;
  readonly groups: number;
  readonly uidMap: string;
  readonly gidMap: string;
  readonly setgroups: number;
  readonly outside: number;
  readonly rootUid: number;
  readonly rootGid: number;
  readonly agent: string;
  readonly steps: readonly Step[];
};

/** The control groups are there that the first process is to join; with `joined` it is in them since `groups` of the clone message, and they have their names now. */
export type GroupedMessage = {
  readonly op: 'grouped';
  readonly joined: number;
};

/** Let the blocked first process go to its exec. */
export type ReleaseMessage = {
  readonly op: 'release';
};

/** Send a signal to the first process; answered by done. */
export type SignalMessage = {
  readonly op: 'signal';
  readonly request: number;
  readonly signal: number;
};

/** The only message of a connection, which comes with three descriptors (SCM_RIGHTS): start another process in the namespaces (CLONE_NEW*) of the first, with these as 0, 1 and 2; the v1 folders `cgroups` are joined, or the v2 folder `cgroup`. It is answered by failed, or by started and exited; the other messages of the connection are about this process, and its end is the process's too; with `terminal` the process makes one by the step `console`, and the shim copies between it and the descriptors 0 and 1; `agent` is as of launch. */
export type EnterMessage = {
  readonly op: 'enter';
  readonly namespaces: number;
  readonly cgroups: readonly string[];
  readonly cgroup: string;
  readonly terminal: number;
  readonly agent: string;
  readonly steps: readonly Step[];
};

/** The first message of a connection, which comes with one descriptor (SCM_RIGHTS), the reading end of a pipe: what comes from it is the container's input; answered by done, errno ENOTTY if the container has no input. */
export type AttachMessage = {
  readonly op: 'attach';
  readonly request: number;
};

/** Of a connection that attached: at its pipe's end the container's input ends too; a pipe that ends without it is a client's detaching. */
export type EndInputMessage = {
  readonly op: 'endInput';
};

/** Set the size of the terminal that the connection is about; answered by done, errno ENOTTY if there is none. */
export type ResizeMessage = {
  readonly op: 'resize';
  readonly request: number;
  readonly columns: number;
  readonly rows: number;
};

/** Ask for hello again; answered by done. */
export type StatusMessage = {
  readonly op: 'status';
  readonly request: number;
};

/** What the host says. */
export type HostMessage =
  | CloneMessage
  | LaunchMessage
  | GroupedMessage
  | ReleaseMessage
  | SignalMessage
  | EnterMessage
  | AttachMessage
  | EndInputMessage
  | ResizeMessage
  | StatusMessage;

/** The first frame to every client of the path socket, and to the launching host once the first process is blocked and ready; the same in every version. */
export type HelloMessage = {
  readonly op: 'hello';
  readonly version: number;
  readonly shimPid: number;
  readonly pid: number;
  readonly startTime: number;
  readonly released: number;
};

/** The first process waits: in its user namespace, whose ids may be mapped now, as the launch frame tells; or in its control groups, which may be renamed now. */
export type ClonedMessage = {
  readonly op: 'cloned';
  readonly pid: number;
};

/** A step, or the shim's own work, failed; the launch is over. */
export type FailedMessage = {
  readonly op: 'failed';
  readonly step: number;
  readonly name: string;
  readonly errno: number;
  readonly path: string;
};

/** The exec succeeded. */
export type StartedMessage = {
  readonly op: 'started';
  readonly at: number;
};

/** The first process ended and the exit record is on disk; type 0 code, 1 signal. */
export type ExitedMessage = {
  readonly op: 'exited';
  readonly type: number;
  readonly value: number;
  readonly at: number;
};

/** The answer to a request; errno 0 on success, ESRCH once the first process has ended. */
export type DoneMessage = {
  readonly op: 'done';
  readonly request: number;
  readonly errno: number;
};

/** What the shim says. */
export type ShimMessage = HelloMessage | ClonedMessage | FailedMessage | StartedMessage | ExitedMessage | DoneMessage;

/** One frame after the other is written in it: memory for each would cost more than the writing. */
const desk = Buffer.allocUnsafeSlow(16 * 1024);

class FieldWriter {
  #buffer = desk;
  #length = 0;

  u8(value: number, field = 'code'): void {
    this.#check(value, 0, 0xff, field);
    this.#length = this.#room(1).writeUInt8(value, this.#length);
  }

  u32(value: number, field: string): void {
    this.#check(value, 0, 0xffffffff, field);
    this.#length = this.#room(4).writeUInt32LE(value, this.#length);
  }

  i32(value: number, field: string): void {
    this.#check(value, -0x80000000, 0x7fffffff, field);
    this.#length = this.#room(4).writeInt32LE(value, this.#length);
  }

  u64(value: number, field: string): void {
    if (value !== maxU64) this.#check(value, 0, Number.MAX_SAFE_INTEGER, field);
    const buffer = this.#room(8);
    const [low, high] = value === maxU64 ? [0xffffffff, 0xffffffff] : [value % 2 ** 32, Math.floor(value / 2 ** 32)];
    this.#length = buffer.writeUInt32LE(high, buffer.writeUInt32LE(low, this.#length));
  }

  str(value: string, field: string): void {
    if (value.includes('\0')) throw invalid(field, 'has a NUL');
    const size = Buffer.byteLength(value);
    this.u32(size, field);
    const buffer = this.#room(size + 1);
    buffer.write(value, this.#length);
    this.#length = buffer.writeUInt8(0, this.#length + size);
  }

  list(values: readonly string[], field: string): void {
    this.u32(values.length, field);
    for (const value of values) this.str(value, field);
  }

  blob(bytes: Uint8Array, field: string): void {
    this.u32(bytes.length, field);
    this.#room(bytes.length).set(bytes, this.#length);
    this.#length += bytes.length;
  }

  /** Leaves room for a length; gives the place of what it is to count. */
  begin(): number {
    this.u32(0, 'length');
    return this.#length;
  }

  /** Puts the length of what was written since in its place, and gives it. */
  end(start: number): number {
    this.#buffer.writeUInt32LE(this.#length - start, start - 4);
    return this.#length - start;
  }

  /** The frame, of which nothing stays behind: it may hold secrets. */
  bytes(): Uint8Array {
    const written = this.#buffer.subarray(0, this.#length);
    const bytes = Buffer.from(written);
    written.fill(0);
    return bytes;
  }

  #check(value: number, low: number, high: number, field: string): void {
    if (!Number.isInteger(value) || value < low || value > high) {
      throw invalid(field, `is ${value}, not an integer from ${low} to ${high}`);
    }
  }

  #room(size: number): Buffer {
    if (this.#length + size > this.#buffer.length) {
      const larger = Buffer.allocUnsafe(Math.max(2 * this.#buffer.length, this.#length + size));
      const written = this.#buffer.subarray(0, this.#length);
      larger.set(written);
      written.fill(0);
      this.#buffer = larger;
    }
    return this.#buffer;
  }
}

class FieldReader {
  readonly #bytes: Buffer;
  #offset = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  u8(): number {
    return this.#bytes.readUInt8(this.#advance(1));
  }

  u32(): number {
    return this.#bytes.readUInt32LE(this.#advance(4));
  }

  i32(): number {
    return this.#bytes.readInt32LE(this.#advance(4));
  }

  u64(): number {
    const value = Number(this.#bytes.readBigUInt64LE(this.#advance(8)));
    if (!Number.isSafeInteger(value) && value !== maxU64) throw broken(`the number ${value}`);
    return value;
  }

  str(): string {
    const size = this.u32();
    const start = this.#advance(size + 1);
    return this.#bytes.toString('utf8', start, start + size);
  }

  end(): void {
    if (this.#offset !== this.#bytes.length) throw broken('a frame that is longer than its message');
  }

  #advance(size: number): number {
    const start = this.#offset;
    if (start + size > this.#bytes.length) throw broken('a frame that is shorter than its message');
    this.#offset = start + size;
    return start;
  }
}

function invalid(field: string, what: string): GantryError {
  return new GantryError('INVALID_ARGUMENT', `launch plan: ${field} ${what}`, { details: { field } });
}

function broken(what: string): GantryError {
  return new GantryError('SHIM_LOST', `the shim broke its protocol: it sent ${what}`);
}

function encodeStep(writer: FieldWriter, step: Step): void {
  switch (step.op) {
    case 'joinCgroup':
      writer.u8(1);
      writer.str(step.path, 'joinCgroup.path');
      break;
    case 'awaitGroups':
      writer.u8(43);
      break;
    case 'cgroupNamespace':
      writer.u8(27);
      break;
    case 'setPropagation':
      writer.u8(2);
      writer.u64(step.flags, 'setPropagation.flags');
      break;
    case 'stage':
      writer.u8(40);
      break;
    case 'bring':
      writer.u8(41);
      writer.str(step.path, 'bring.path');
      writer.u8(step.links, 'bring.links');
      break;
    case 'rootOverlay':
      writer.u8(3);
      writer.str(step.target, 'rootOverlay.target');
      writer.list(step.lower, 'rootOverlay.lower');
      writer.str(step.upper, 'rootOverlay.upper');
      writer.str(step.work, 'rootOverlay.work');
      writer.u8(step.userxattr, 'rootOverlay.userxattr');
      break;
    case 'rootBind':
      writer.u8(4);
      writer.str(step.target, 'rootBind.target');
      writer.str(step.source, 'rootBind.source');
      break;
    case 'mount':
      writer.u8(5);
      writer.str(step.type, 'mount.type');
      writer.str(step.source, 'mount.source');
      writer.str(step.target, 'mount.target');
      writer.u64(step.flags, 'mount.flags');
      writer.str(step.data, 'mount.data');
      break;
    case 'bind':
      writer.u8(6);
      writer.str(step.source, 'bind.source');
      writer.str(step.target, 'bind.target');
      writer.u8(step.recursive, 'bind.recursive');
      writer.u64(step.attributes, 'bind.attributes');
      writer.u64(step.recursiveAttributes, 'bind.recursiveAttributes');
      writer.u8(step.idmap, 'bind.idmap');
      writer.str(step.identity, 'bind.identity');
      break;
    case 'openTree':
      writer.u8(60);
      writer.str(step.source, 'openTree.source');
      writer.u8(step.recursive, 'openTree.recursive');
      writer.u64(step.attributes, 'openTree.attributes');
      writer.u64(step.recursiveAttributes, 'openTree.recursiveAttributes');
      writer.u8(step.idmap, 'openTree.idmap');
      writer.u64(step.propagation, 'openTree.propagation');
      writer.str(step.identity, 'openTree.identity');
      break;
    case 'idmap':
      writer.u8(61);
      writer.list(step.uids, 'idmap.uids');
      writer.list(step.gids, 'idmap.gids');
      break;
    case 'overlay':
      writer.u8(62);
      writer.str(step.target, 'overlay.target');
      writer.str(step.staging, 'overlay.staging');
      writer.list(step.lower, 'overlay.lower');
      writer.str(step.upper, 'overlay.upper');
      writer.str(step.work, 'overlay.work');
      writer.u8(step.userxattr, 'overlay.userxattr');
      writer.u64(step.attributes, 'overlay.attributes');
      break;
    case 'memoryFolder':
      writer.u8(63);
      writer.u32(step.mode, 'memoryFolder.mode');
      writer.u32(step.uid, 'memoryFolder.uid');
      writer.u32(step.gid, 'memoryFolder.gid');
      break;
    case 'memoryFile':
      writer.u8(64);
      writer.str(step.name, 'memoryFile.name');
      writer.u32(step.mode, 'memoryFile.mode');
      writer.u32(step.uid, 'memoryFile.uid');
      writer.u32(step.gid, 'memoryFile.gid');
      writer.blob(step.content, 'memoryFile.content');
      break;
    case 'memoryMount':
      writer.u8(65);
      writer.str(step.target, 'memoryMount.target');
      writer.str(step.file, 'memoryMount.file');
      break;
    case 'device':
      writer.u8(7);
      writer.str(step.host, 'device.host');
      writer.str(step.path, 'device.path');
      writer.u32(step.type, 'device.type');
      writer.u32(step.major, 'device.major');
      writer.u32(step.minor, 'device.minor');
      writer.u32(step.mode, 'device.mode');
      writer.u32(step.uid, 'device.uid');
      writer.u32(step.gid, 'device.gid');
      break;
    case 'symlink':
      writer.u8(8);
      writer.str(step.target, 'symlink.target');
      writer.str(step.path, 'symlink.path');
      break;
    case 'mask':
      writer.u8(9);
      writer.str(step.path, 'mask.path');
      break;
    case 'readonlyPath':
      writer.u8(10);
      writer.str(step.path, 'readonlyPath.path');
      break;
    case 'pivotRoot':
      writer.u8(11);
      writer.str(step.path, 'pivotRoot.path');
      break;
    case 'readonlyRoot':
      writer.u8(12);
      break;
    case 'hostname':
      writer.u8(13);
      writer.str(step.name, 'hostname.name');
      break;
    case 'sysctl':
      writer.u8(14);
      writer.str(step.path, 'sysctl.path');
      writer.str(step.value, 'sysctl.value');
      break;
    case 'loopbackUp':
      writer.u8(15);
      break;
    case 'rlimit':
      writer.u8(16);
      writer.i32(step.resource, 'rlimit.resource');
      writer.u64(step.soft, 'rlimit.soft');
      writer.u64(step.hard, 'rlimit.hard');
      writer.u8(step.clamp, 'rlimit.clamp');
      break;
    case 'oomScoreAdj':
      writer.u8(17);
      writer.i32(step.value, 'oomScoreAdj.value');
      break;
    case 'umask':
      writer.u8(18);
      writer.u32(step.mask, 'umask.mask');
      break;
    case 'makeFolder':
      writer.u8(19);
      writer.str(step.path, 'makeFolder.path');
      break;
    case 'hook':
      writer.u8(42);
      writer.str(step.path, 'hook.path');
      writer.list(step.argv, 'hook.argv');
      writer.list(step.env, 'hook.env');
      writer.u32(step.timeout, 'hook.timeout');
      writer.str(step.state, 'hook.state');
      break;
    case 'ready':
      writer.u8(20);
      break;
    case 'sessionKeyring':
      writer.u8(21);
      break;
    case 'capabilities':
      writer.u8(22);
      writer.u64(step.bounding, 'capabilities.bounding');
      writer.u64(step.effective, 'capabilities.effective');
      writer.u64(step.permitted, 'capabilities.permitted');
      writer.u64(step.inheritable, 'capabilities.inheritable');
      writer.u64(step.ambient, 'capabilities.ambient');
      break;
    case 'user':
      writer.u8(23);
      writer.u32(step.uid, 'user.uid');
      writer.u32(step.gid, 'user.gid');
      writer.list(step.groups, 'user.groups');
      break;
    case 'noNewPrivileges':
      writer.u8(24);
      break;
    case 'chdir':
      writer.u8(25);
      writer.str(step.path, 'chdir.path');
      break;
    case 'joinParent':
      writer.u8(28);
      writer.i32(step.pid, 'joinParent.pid');
      writer.u64(step.startTime, 'joinParent.startTime');
      writer.u64(step.namespaces, 'joinParent.namespaces');
      break;
    case 'joinNamespace':
      writer.u8(29);
      writer.str(step.path, 'joinNamespace.path');
      writer.u64(step.namespace, 'joinNamespace.namespace');
      break;
    case 'timeNamespace':
      writer.u8(34);
      writer.str(step.offsets, 'timeNamespace.offsets');
      break;
    case 'console':
      writer.u8(30);
      writer.u32(step.columns, 'console.columns');
      writer.u32(step.rows, 'console.rows');
      writer.u32(step.uid, 'console.uid');
      writer.u8(step.devConsole, 'console.devConsole');
      break;
    case 'init':
      writer.u8(31);
      break;
    case 'sandbox':
      writer.u8(32);
      break;
    case 'seccomp':
      writer.u8(35);
      writer.blob(step.program, 'seccomp.program');
      writer.u32(step.flags, 'seccomp.flags');
      writer.u8(step.last, 'seccomp.last');
      writer.list(step.state, 'seccomp.state');
      break;
    case 'landlockRuleset':
      writer.u8(70);
      writer.u64(step.files, 'landlockRuleset.files');
      writer.u64(step.network, 'landlockRuleset.network');
      writer.u64(step.scopes, 'landlockRuleset.scopes');
      break;
    case 'landlockPath':
      writer.u8(71);
      writer.str(step.path, 'landlockPath.path');
      writer.u64(step.access, 'landlockPath.access');
      break;
    case 'landlockPort':
      writer.u8(72);
      writer.u32(step.port, 'landlockPort.port');
      writer.u64(step.access, 'landlockPort.access');
      break;
    case 'landlock':
      writer.u8(73);
      break;
    case 'connect':
      writer.u8(33);
      writer.u32(step.port, 'connect.port');
      break;
    case 'exec':
      writer.u8(26);
      writer.list(step.argv, 'exec.argv');
      writer.list(step.env, 'exec.env');
      break;
  }
}

function encodeSteps(writer: FieldWriter, steps: readonly Step[]): void {
  writer.u32(steps.length, 'steps');
  for (const step of steps) {
    const start = writer.begin();
    encodeStep(writer, step);
    writer.end(start);
  }
}

/**
 * Encodes one frame. `INVALID_ARGUMENT` for a value that its field cannot hold, such as a string with a NUL;
 * `LIMIT_EXCEEDED` if the frame is longer than the shim takes.
 */
export function encodeFrame(message: HostMessage): Uint8Array {
  const writer = new FieldWriter();
  const start = writer.begin();
  switch (message.op) {
    case 'clone':
      writer.u8(1);
      writer.u32(message.version, 'clone.version');
      writer.u64(message.cloneFlags, 'clone.cloneFlags');
      writer.str(message.cgroup, 'clone.cgroup');
      writer.i32(message.parent, 'clone.parent');
      writer.u64(message.parentStartTime, 'clone.parentStartTime');
      writer.u64(message.parentNamespaces, 'clone.parentNamespaces');
      encodeSteps(writer, message.steps);
      encodeSteps(writer, message.groups);
      break;
    case 'launch':
      writer.u8(5);
      writer.str(message.id, 'launch.id');
      writer.str(message.stateDir, 'launch.stateDir');
      writer.u8(message.input, 'launch.input');
      writer.u8(message.logFormat, 'launch.logFormat');
      writer.u64(message.logMaxBytes, 'launch.logMaxBytes');
      writer.u32(message.logMaxFiles, 'launch.logMaxFiles');
      writer.u64(message.unshare, 'launch.unshare');
      writer.u8(message.release, 'launch.release');
      writer.u8(message.groups, 'launch.groups');
      writer.str(message.uidMap, 'launch.uidMap');
      writer.str(message.gidMap, 'launch.gidMap');
      writer.u8(message.setgroups, 'launch.setgroups');
      writer.u8(message.outside, 'launch.outside');
      writer.u32(message.rootUid, 'launch.rootUid');
      writer.u32(message.rootGid, 'launch.rootGid');
      writer.str(message.agent, 'launch.agent');
      encodeSteps(writer, message.steps);
      break;
    case 'grouped':
      writer.u8(10);
      writer.u8(message.joined, 'grouped.joined');
      break;
    case 'release':
      writer.u8(2);
      break;
    case 'signal':
      writer.u8(3);
      writer.u32(message.request, 'signal.request');
      writer.i32(message.signal, 'signal.signal');
      break;
    case 'enter':
      writer.u8(6);
      writer.u64(message.namespaces, 'enter.namespaces');
      writer.list(message.cgroups, 'enter.cgroups');
      writer.str(message.cgroup, 'enter.cgroup');
      writer.u8(message.terminal, 'enter.terminal');
      writer.str(message.agent, 'enter.agent');
      encodeSteps(writer, message.steps);
      break;
    case 'attach':
      writer.u8(7);
      writer.u32(message.request, 'attach.request');
      break;
    case 'endInput':
      writer.u8(8);
      break;
    case 'resize':
      writer.u8(9);
      writer.u32(message.request, 'resize.request');
      writer.u32(message.columns, 'resize.columns');
      writer.u32(message.rows, 'resize.rows');
      break;
    case 'status':
      writer.u8(4);
      writer.u32(message.request, 'status.request');
      break;
  }
  const bytes = writer.end(start);
  if (bytes > maxFrame) {
    throw new GantryError(
      'LIMIT_EXCEEDED',
      `the ${message.op} message has ${bytes} bytes, the shim takes ${maxFrame}: shorten the arguments, environment or mounts`,
      { details: { bytes, limit: maxFrame } },
    );
  }
  return writer.bytes();
}

function decodeBody(body: Uint8Array): ShimMessage {
  const reader = new FieldReader(body);
  const message = decodeFields(reader.u8(), reader);
  reader.end();
  return message;
}

function decodeFields(code: number, reader: FieldReader): ShimMessage {
  switch (code) {
    case 65:
      return {
        op: 'hello',
        version: reader.u32(),
        shimPid: reader.i32(),
        pid: reader.i32(),
        startTime: reader.u64(),
        released: reader.u8(),
      };
    case 70:
      return { op: 'cloned', pid: reader.i32() };
    case 66:
      return { op: 'failed', step: reader.u32(), name: reader.str(), errno: reader.i32(), path: reader.str() };
    case 67:
      return { op: 'started', at: reader.u64() };
    case 68:
      return { op: 'exited', type: reader.u8(), value: reader.i32(), at: reader.u64() };
    case 69:
      return { op: 'done', request: reader.u32(), errno: reader.i32() };
    default:
      throw broken(`a message of unknown code ${code}`);
  }
}

/** Cuts a byte stream from a shim into messages. `SHIM_LOST` for anything that is not one. */
export class FrameDecoder {
  #pending: Uint8Array = new Uint8Array();

  /** Takes the next piece of the stream and returns the messages that it completes. */
  push(chunk: Uint8Array): ShimMessage[] {
    const messages: ShimMessage[] = [];
    let bytes = this.#pending.length === 0 ? Buffer.from(chunk) : Buffer.concat([this.#pending, chunk]);
    while (bytes.length >= 4) {
      const size = bytes.readUInt32LE(0);
      if (size === 0 || size > maxFrame) throw broken(`a frame of ${size} bytes`);
      if (bytes.length < 4 + size) break;
      messages.push(decodeBody(bytes.subarray(4, 4 + size)));
      bytes = bytes.subarray(4 + size);
    }
    this.#pending = bytes;
    return messages;
  }
}
