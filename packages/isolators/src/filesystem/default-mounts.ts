import type { OciMount } from '@gantry/interface';

const kernelOptions = ['nosuid', 'noexec', 'nodev'];

/**
 * The file systems that every Linux program expects, parents first. OCI runtime-spec, config-linux.md#default-filesystems.
 *
 * On cgroup v2 the container sees its own group, which `namespaces/cgroup` makes the root, and cannot change it. On v1
 * nothing is mounted there: each controller would need a mount of its own, and a writable one offers `release_agent`,
 * which runs a program on the host.
 */
export function defaultMounts(cgroupVersion: 'v1' | 'v2'): OciMount[] {
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
      options: ['nosuid', 'noexec', 'newinstance', 'ptmxmode=0666', 'mode=0620', 'gid=5'],
    },
    {
      destination: '/dev/shm',
      type: 'tmpfs',
      source: 'shm',
      options: [...kernelOptions, 'mode=1777', 'size=65536k'],
    },
    { destination: '/dev/mqueue', type: 'mqueue', source: 'mqueue', options: kernelOptions },
    { destination: '/sys', type: 'sysfs', source: 'sysfs', options: [...kernelOptions, 'ro'] },
  ];
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
