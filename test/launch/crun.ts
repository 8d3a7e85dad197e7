import { spawnSync } from 'node:child_process';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { OciSpec } from '@gantry/interface';

/** In a mount namespace without a cgroup v2 tree beside the v1 controllers, which crun would take for a v2 host. */
const crunScript =
  'umount /sys/fs/cgroup/unified 2>/dev/null; exec crun --root "$0" --cgroup-manager=disabled run --bundle "$1" "$2"';

/** Runs a document of ours by crun to its end, in files below `folder`: all but what only a launcher of ours has made, its root's mount point and control groups. */
export function runByCrun(config: OciSpec, rootfs: string, folder: string): { stdout: string; stderr: string } {
  const bundle = mkdtempSync(join(folder, 'bundle-'));
  writeFileSync(join(bundle, 'config.json'), JSON.stringify(forCrun(config, rootfs)));
  const id = `oracle-${process.pid}-${bundle.slice(-6)}`;
  return spawnSync('unshare', ['-m', 'sh', '-c', crunScript, join(folder, 'crun'), bundle, id], {
    encoding: 'utf8',
    // crun gives a standard input that is a device to the container's user.
    input: '',
  });
}

function forCrun(config: OciSpec, path: string): OciSpec {
  const { resources: _, cgroupsPath: __, ...linux } = config.linux;
  // Debian 12's crun knows no later version; nothing in these documents differs.
  return { ...config, ociVersion: '1.0.2', root: { ...config.root, path }, linux };
}
