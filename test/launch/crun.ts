import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { OciSpec } from '@gantry/interface';

/** In a mount namespace without a cgroup v2 tree beside the v1 controllers, which crun would take for a v2 host. */
const crunScript =
  'umount /sys/fs/cgroup/unified 2>/dev/null; exec crun --root "$0" --cgroup-manager="$3" run --bundle "$1" "$2"';

const crunArguments = (folder: string, bundle: string, manager: 'disabled' | 'cgroupfs') => {
  const id = `oracle-${process.pid}-${bundle.slice(-6)}`;
  return ['-m', 'sh', '-c', crunScript, join(folder, 'crun'), bundle, id, manager];
};

function bundleOf(config: OciSpec, folder: string): string {
  const bundle = mkdtempSync(join(folder, 'bundle-'));
  writeFileSync(join(bundle, 'config.json'), JSON.stringify(config));
  return bundle;
}

/** Runs a document of ours by crun to its end, in files below `folder`: all but what only a launcher of ours has made, its root's mount point and control groups. */
export function runByCrun(config: OciSpec, rootfs: string, folder: string): { stdout: string; stderr: string } {
  const { resources: _, cgroupsPath: __, ...linux } = config.linux;
  const bundle = bundleOf({ ...forCrun(config, rootfs), linux }, folder);
  return spawnSync('unshare', crunArguments(folder, bundle, 'disabled'), {
    encoding: 'utf8',
    // crun gives a standard input that is a device to the container's user.
    input: '',
  });
}

/** Starts a document of ours by crun, in a control group below the roots of the trees; it is to end when its standard input does. */
export function startByCrun(config: OciSpec, rootfs: string, folder: string, cgroupsPath: string) {
  const limited = forCrun(config, rootfs);
  const bundle = bundleOf({ ...limited, linux: { ...limited.linux, cgroupsPath } }, folder);
  return spawn('unshare', crunArguments(folder, bundle, 'cgroupfs'));
}

function forCrun(config: OciSpec, path: string): OciSpec {
  // Debian 12's crun knows no later version; nothing in these documents differs.
  return { ...config, ociVersion: '1.0.2', root: { ...config.root, path } };
}
