import type { IdMappings, OciMount } from '@gantry/interface';
import { isMapped } from '../namespaces/users.js';

const kernelOptions = ['nosuid', 'noexec', 'nodev'];

/** What decides which of them a container in a user namespace can have. */
export interface UsersOfMounts extends IdMappings {
  /** Whether its network belongs to that namespace. */
  readonly hasNetwork: boolean;
}

/** The group that owns terminals. */
const ttyGroup = 5;

/**
 * The file systems that every Linux program expects, parents first. OCI runtime-spec, config-linux.md#default-filesystems.
 *
 * On cgroup v2 the container sees its own group, which `namespaces/cgroup` makes the root, and cannot change it. On v1
 * nothing is mounted there: each controller would need a mount of its own, and a writable one offers `release_agent`,
 * which runs a program on the host.
 *
 * In a user namespace a sysfs can be mounted only together with a network of the same namespace: else it is the host's,
 * read-only with all that is mounted below it, and the control groups are hidden (CVE-2023-25809).
 */
export function defaultMounts(cgroupVersion: 'v1' | 'v2', users?: UsersOfMounts): OciMount[] {
  const terminalGroup = !users || isMapped(ttyGroup, users.gids) ? [`gid=${ttyGroup}`] : [];
  const mounts: OciMount[] = [
    { destination: '/proc', type: 'proc', source: 'proc', options: kernelOptions },
    {
      destination: '/dev',
      type: 'tmpfs',
      source: 'tmpfs',
      options: ['nosuid', 'strictatime', 'mode=755', 'size=65536k'],
    },
    {
      destination: '/dev/pts',
      type: 'devpts',
      source: 'devpts',
      options: ['nosuid', 'noexec', 'newinstance', 'ptmxmode=0666', 'mode=0620', ...terminalGroup],
    },
    {
      destination: '/dev/shm',
      type: 'tmpfs',
      source: 'shm',
      options: [...kernelOptions, 'mode=1777', 'size=65536k'],
    },
    { destination: '/dev/mqueue', type: 'mqueue', source: 'mqueue', options: kernelOptions },
    users && !users.hasNetwork
      ? { destination: '/sys', type: 'bind', source: '/sys', options: ['rbind', 'rprivate', ...kernelOptions, 'ro'] }
      : { destination: '/sys', type: 'sysfs', source: 'sysfs', options: [...kernelOptions, 'ro'] },
  ];
  if (cgroupVersion === 'v1' && users && !users.hasNetwork) {
    mounts.push({
      destination: '/sys/fs/cgroup',
      type: 'tmpfs',
      source: 'tmpfs',
      options: [...kernelOptions, 'ro', 'mode=0755', 'nr_inodes=1'],
    });
  }
  if (cgroupVersion === 'v2') {
    mounts.push({
      destination: '/sys/fs/cgroup',
      type: 'cgroup2',
      source: 'cgroup2',
      options: [...kernelOptions, 'relatime', 'ro'],
    });
  }
  return mounts;
}
