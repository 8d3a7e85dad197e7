import type { ContainerId, ContainerSpec, SharedNamespace } from './container.js';
import type { ContainerMount } from './mounts.js';

/** Containers that share what `share` names and are launched and ended as one. */
export interface PodSpec {
  /** Of the sandbox, the parent of the pod's containers. Default: a random UUID. */
  readonly id?: ContainerId;
  /** Each gets the pod as its `parent`. Their ids, if not given, are random. At least one. */
  readonly containers: readonly PodContainer[];
  /** What the containers have in common. Default `network`, `ipc` and `uts`. */
  readonly share?: readonly SharedNamespace[];
  readonly hostname?: string;
  readonly userNamespace?: ContainerSpec['userNamespace'];
  readonly network?: ContainerSpec['network'];
  readonly networks?: ContainerSpec['networks'];
  readonly ports?: ContainerSpec['ports'];
  readonly egress?: ContainerSpec['egress'];
  readonly dns?: ContainerSpec['dns'];
  readonly extraHosts?: ContainerSpec['extraHosts'];
  readonly sysctls?: ContainerSpec['sysctls'];
  readonly labels?: ContainerSpec['labels'];
  /** Names of folders that are made empty with the pod and removed with it. */
  readonly volumes?: readonly string[];
  /** When the end of a container ends the pod: its first end, its first failure (default), or the end of all. */
  readonly endsWith?: 'first' | 'failure' | 'last';
}

/** A container of a pod. It may mount the pod's volumes. */
export type PodContainer = Omit<
  ContainerSpec,
  | 'parent'
  | 'share'
  | 'network'
  | 'networks'
  | 'ports'
  | 'egress'
  | 'dns'
  | 'extraHosts'
  | 'hostname'
  | 'userNamespace'
  | 'sandbox'
  | 'mounts'
> & {
  readonly mounts?: readonly (ContainerMount | PodVolumeMount)[];
};

/** A volume of the pod in one of its containers. */
export interface PodVolumeMount {
  readonly type: 'volume';
  /** One of the pod's `volumes`. */
  readonly source: string;
  readonly target: string;
  readonly readonly?: boolean;
}

export interface PodStatus {
  readonly id: ContainerId;
  /** In the order of the spec. */
  readonly containers: readonly ContainerId[];
}
