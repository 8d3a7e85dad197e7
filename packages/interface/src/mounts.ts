import type { SecretReference } from './secrets.js';
import type { PullPolicy } from './store.js';

/** What is mounted in a container, by what it is made of. Targets are absolute paths in the container; created if absent, resolved inside the root. */
export type ContainerMount =
  | BindMount
  | TmpfsMount
  | SandboxMount
  | ImageMount
  | SecretMount
  | PersistentMount
  | DockerVolumeMount
  | CsiMount;

/** A file or folder of the host: Mesos' `volume/host_path`. Devices do not work on it. */
export interface BindMount {
  readonly type: 'bind';
  /** Absolute path on the host; must exist unless `create` is given. */
  readonly source: string;
  readonly target: string;
  /** `true`: also what is mounted below the source. `shallow`: the source's own mount alone. Default false. */
  readonly readonly?: boolean | 'shallow';
  /** Whether what is mounted below the source is there, too. Default true. */
  readonly recursive?: boolean;
  /**
   * Whether mounts made later pass from one side to the other: not at all (default), from the host to the container, or both
   * ways. The last two need a source on a mount that is shared on the host.
   */
  readonly propagation?: 'private' | 'rslave' | 'rshared';
  /** Programs on it do not run. Default false. */
  readonly noexec?: boolean;
  /** Set-user-ID bits and file capabilities have no effect. Default false. */
  readonly nosuid?: boolean;
  /** Shows the files of other owners than they have: an idmapped mount. */
  readonly idmap?: { readonly uids: readonly MountIdMapping[]; readonly gids: readonly MountIdMapping[] };
  /** Make the folder `source`, and those above it (0755, root's), if it is not there. One that is there is left as it is. */
  readonly create?: VolumeOwner;
}

/** `size` ids from `source`, as the file system has them, are `target` and up in the container. What is in no mapping is nobody's. */
export interface MountIdMapping {
  readonly source: number;
  readonly target: number;
  readonly size: number;
}

/** Permissions and owner of a folder when it is made. */
export interface VolumeOwner {
  /** Octal permission bits. Default 0o755. */
  readonly mode?: number;
  /** Default 0. */
  readonly uid?: number;
  /** Default 0. */
  readonly gid?: number;
}

/** A file system in memory, which is gone with the container. */
export interface TmpfsMount {
  readonly type: 'tmpfs';
  readonly target: string;
  /** Bytes. Default 64 MiB. */
  readonly size?: number;
  /** Octal permission bits. Default 0o1777. */
  readonly mode?: number;
  /** Of its folder. Default 0. */
  readonly uid?: number;
  readonly gid?: number;
  /** Files and folders that it may have. Default: as the kernel sets it, by the machine's memory. */
  readonly inodes?: number;
}

/**
 * A folder that containers nested in each other share: Mesos' `volume/sandbox_path`. A container's sandbox is made when
 * it, or one nested in it, first mounts from it, and removed with the container.
 */
export interface SandboxMount {
  readonly type: 'sandbox';
  /** Whose sandbox: the container's own, or its parent's. */
  readonly of: 'self' | 'parent';
  /**
   * With `of: 'parent'`: the target of the parent's mount to look in, rather than its sandbox. It must be a `bind`,
   * `persistent` or `sandbox` mount; what the parent may only read, so may this container.
   */
  readonly volume?: string;
  /** The folder, relative; `.` is the whole. Made (0777) if absent in a sandbox, must exist in a volume; links lead nowhere outside. */
  readonly path: string;
  readonly target: string;
  readonly readonly?: boolean;
}

/** The root file system of another image: Mesos' `volume/image`. Pulled, leased and unpacked with the container's own. */
export interface ImageMount {
  readonly type: 'image';
  readonly image: string;
  readonly target: string;
  /** Default true. What is written otherwise is this container's alone, and gone with it. */
  readonly readonly?: boolean;
  readonly pull?: PullPolicy;
}

/**
 * Secrets as files: Mesos' `volume/secret`. Their content is asked of the host program's `SecretResolver` at the launch and is in
 * the container's memory only. Read-only; 512 KiB in all a container.
 */
export interface SecretMount {
  readonly type: 'secret';
  readonly target: string;
  /** The target is a file with this secret. Exactly one of `secret` and `files` is given. */
  readonly secret?: SecretReference;
  /** The target is a folder with these files, by name. */
  readonly files?: Readonly<Record<string, SecretReference>>;
  /** Permission bits of the files. Default 0o400. */
  readonly mode?: number;
  /** Of files and folder. Default 0. */
  readonly uid?: number;
  readonly gid?: number;
}

/** A folder that outlives containers, made when the first one asks for it. */
export interface PersistentMount {
  readonly type: 'persistent';
  /** Of the grammar of container ids. */
  readonly id: string;
  readonly target: string;
  readonly readonly?: boolean;
  /** What the folder is made with; has no effect on one that is there. */
  readonly owner?: VolumeOwner;
}

/** A volume of a Docker volume plugin: Mesos' `docker/volume`. */
export interface DockerVolumeMount {
  readonly type: 'docker';
  /** The plugin's name. */
  readonly driver: string;
  readonly name: string;
  readonly target: string;
  readonly readonly?: boolean;
  /** For the plugin, when it makes the volume; an existing one is used as it is. */
  readonly options?: Readonly<Record<string, string>>;
}

/** A volume of a CSI driver, mounted as a file system: Mesos' `volume/csi`. */
export interface CsiMount {
  readonly type: 'csi';
  /** A driver that the host program has configured. */
  readonly driver: string;
  /** The driver's id of a volume that is there, or, with `create`, the name of one to be made. */
  readonly volume: string;
  readonly target: string;
  readonly readonly?: boolean;
  /** Default `SINGLE_NODE_WRITER`. */
  readonly accessMode?: CsiAccessMode;
  /** File system that the volume is to have. Default: the driver's choice. */
  readonly fsType?: string;
  readonly mountFlags?: readonly string[];
  /** As the driver gave it when the volume was made, for a volume that is there. */
  readonly context?: Readonly<Record<string, string>>;
  /** Make the volume by `CreateVolume` if there is none of this name. It is kept: removing it is the host program's to say. */
  readonly create?: {
    /** Bytes. */
    readonly size?: number;
    readonly parameters?: Readonly<Record<string, string>>;
  };
  /** Given to the driver with each call that takes secrets; never recorded. */
  readonly secrets?: Readonly<Record<string, SecretReference>>;
}

export type CsiAccessMode =
  | 'SINGLE_NODE_WRITER'
  | 'SINGLE_NODE_READER_ONLY'
  | 'MULTI_NODE_READER_ONLY'
  | 'MULTI_NODE_SINGLE_WRITER'
  | 'MULTI_NODE_MULTI_WRITER';
