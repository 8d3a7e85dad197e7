/** A specification of the Container Device Interface, with the fields and the spelling of its versions 0.3.0 to 1.1.0. */
export interface CdiSpec {
  readonly cdiVersion: string;
  /** `vendor.com/class`. */
  readonly kind: string;
  readonly annotations?: Readonly<Record<string, string>>;
  /** At least one. */
  readonly devices: readonly CdiDevice[];
  /** Of every container that has one of the devices. */
  readonly containerEdits?: CdiEdits;
}

export interface CdiDevice {
  readonly name: string;
  readonly annotations?: Readonly<Record<string, string>>;
  /** Not empty. */
  readonly containerEdits: CdiEdits;
}

export interface CdiEdits {
  /** `NAME=value`. */
  readonly env?: readonly string[];
  readonly deviceNodes?: readonly CdiDeviceNode[];
  readonly mounts?: readonly CdiMount[];
  readonly hooks?: readonly CdiHook[];
  /** 0 counts for nothing. */
  readonly additionalGids?: readonly number[];
  readonly intelRdt?: CdiIntelRdt;
  readonly netDevices?: readonly CdiNetDevice[];
}

export interface CdiDeviceNode {
  /** In the container. */
  readonly path: string;
  /** Default: as `path`. */
  readonly hostPath?: string;
  readonly type?: 'b' | 'c' | 'u' | 'p';
  readonly major?: number;
  readonly minor?: number;
  readonly fileMode?: number;
  /** Of `r`, `w` and `m`; `none` for no access. Default: all. */
  readonly permissions?: string;
  readonly uid?: number;
  readonly gid?: number;
}

export interface CdiMount {
  /** What is bound, or the source of a file system of `type`. */
  readonly hostPath: string;
  readonly containerPath: string;
  readonly type?: string;
  readonly options?: readonly string[];
}

export interface CdiHook {
  readonly hookName: CdiHookName;
  readonly path: string;
  readonly args?: readonly string[];
  readonly env?: readonly string[];
  /** Seconds. */
  readonly timeout?: number;
}

export const cdiHookNames = [
  'prestart',
  'createRuntime',
  'createContainer',
  'startContainer',
  'poststart',
  'poststop',
] as const;

export type CdiHookName = (typeof cdiHookNames)[number];

export interface CdiIntelRdt {
  readonly closID?: string;
  readonly l3CacheSchema?: string;
  readonly memBwSchema?: string;
  readonly schemata?: readonly string[];
  readonly enableMonitoring?: boolean;
  /** Of versions before 1.1.0. */
  readonly enableCMT?: boolean;
  readonly enableMBM?: boolean;
}

export interface CdiNetDevice {
  readonly hostInterfaceName: string;
  readonly name: string;
}
