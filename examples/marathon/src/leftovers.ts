import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { errnoOf } from '@gantry/interface';

/** Everything on this machine that still bears the container's id, or its rootfs: one line each, none when all is clean. */
export function findLeftovers(id: string, folders: readonly string[]): string[] {
  const mounts = readFileSync('/proc/self/mountinfo', 'utf8').split('\n');
  return [
    ...mounts.filter((line) => line.includes(id)).map((line) => `mount ${line}`),
    ...cgroupsNamed(id, '/sys/fs/cgroup').map((path) => `control group ${path}`),
    ...processesNamed(id).map((pid) => `process ${pid}`),
    ...folders.filter((path) => existsSync(path)).map((path) => `folder ${path}`),
  ];
}

function cgroupsNamed(id: string, folder: string): string[] {
  return subfolders(folder).flatMap((name) => {
    const path = join(folder, name);
    return name === id ? [path] : cgroupsNamed(id, path);
  });
}

function subfolders(folder: string): string[] {
  try {
    return readdirSync(folder, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map((entry) => entry.name);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return []; // Another program's group went away while this one looked.
    throw error;
  }
}

/** Shims name their container in their arguments; processes of a container live in a control group of its name. */
function processesNamed(id: string): string[] {
  return readdirSync('/proc').filter((pid) => {
    if (!/^\d+$/.test(pid) || Number(pid) === process.pid) return false;
    try {
      const seen = `${readFileSync(`/proc/${pid}/cmdline`, 'utf8')}\n${readFileSync(`/proc/${pid}/cgroup`, 'utf8')}`;
      return seen.includes(id) && readlinkSync(`/proc/${pid}/ns/mnt`) !== '';
    } catch {
      return false; // It ended while it was looked at.
    }
  });
}
