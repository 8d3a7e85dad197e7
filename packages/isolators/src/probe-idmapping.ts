import { readFileSync } from 'node:fs';
import type { HostAbility } from '@gantry/interface';
import { idmapObstacle } from '@gantry/native';
import { mountOf } from './volume/propagation.js';

/** File systems of the kernel's own, of which nobody mounts a part with other ids. */
const ofKernel = new Set(
  (
    'autofs binfmt_misc bpf cgroup cgroup2 configfs debugfs devpts devtmpfs efivarfs fusectl hugetlbfs mqueue nsfs proc pstore ' +
    'rpc_pipefs securityfs sysfs tracefs'
  ).split(' '),
);

/** For each type of file system that is mounted, that of `root` first: whether it can be seen through other ids. Tried on one mount of each. */
export async function probeIdmapping(root: string): Promise<HostAbility[]> {
  const mountinfo = readFileSync('/proc/self/mountinfo', 'utf8');
  const places = new Map<string, string>();
  for (const path of [root, ...mountPoints(mountinfo)]) {
    const mount = mountOf(path, mountinfo);
    if (mount && !ofKernel.has(mount.type) && !places.has(mount.type)) places.set(mount.type, mount.path);
  }
  return Promise.all([...places].map(([type, place]) => tried(type, place)));
}

async function tried(type: string, place: string): Promise<HostAbility> {
  const name = `idmapped mounts of ${type}`;
  const errno = await idmapObstacle(place);
  if (errno === undefined) return { name, works: true, detail: place };
  if (errno === 'EPERM') {
    return { name, works: false, reason: 'the host program may not', remedy: 'run it as root' };
  }
  const reason = `what is mounted at ${place} cannot be seen through other ids (${errno})`;
  return { name, works: false, reason, remedy: 'keep what is to have other ids on ext4, XFS or Btrfs' };
}

function mountPoints(mountinfo: string): string[] {
  const points = mountinfo.split('\n').map((line) => line.split(' ')[4] ?? '');
  return points.filter((point) => point.startsWith('/') && !point.includes('\\'));
}
