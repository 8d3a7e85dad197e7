import type { CgroupLayout, ImageStore, Isolator, Launcher, Provisioner, Volumes } from '@gantry/interface';
import type { ContainerLeases } from './leases.js';
import type { PodVolumes } from './volumes.js';

/** What a containerizer is made of. Any of them may be a host program's own. */
export interface ContainerizerParts {
  readonly store: ImageStore;
  readonly leases: ContainerLeases;
  readonly provisioner: Provisioner;
  /** In the order in which they contribute; clean-up is the reverse. */
  readonly isolators: readonly Isolator[];
  readonly launcher: Launcher;
  readonly cgroups: CgroupLayout;
  /** The control group below which each container gets its own, e.g. `/gantry`. */
  readonly cgroupParent: string;
  /** An empty folder, the root of those containers that run no program. */
  readonly sandboxRoot: string;
  readonly volumes: PodVolumes;
  readonly persistent: Volumes;
}
