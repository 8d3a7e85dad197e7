import { existsSync, statSync } from 'node:fs';
import { readFile, realpath } from 'node:fs/promises';
import { dirname } from 'node:path';
import { errnoOf } from '@gantry/interface';
import { idmapObstacle } from '@gantry/native';
import { refused } from '../errors.js';
import { mountOf } from './propagation.js';

/** File systems that can be seen through other ids, by device: none loses that while it is mounted. */
const able = new Set<number>();

/** `REFUSED` unless the mount that a path is on, or is to be on, can be idmapped; with `recursive`, and all below it. */
export async function checkIdmapping(isolator: string, path: string, field: string, recursive: boolean): Promise<void> {
  const place = nearest(path);
  const device = deviceOf(place);
  if (device !== undefined && !recursive && able.has(device)) return;
  const errno = await idmapObstacle(place, recursive);
  if (errno === undefined) {
    if (device !== undefined) able.add(device);
    return;
  }
  const found = mountOf(await realpath(place).catch(() => place), await readFile('/proc/self/mountinfo', 'utf8'));
  const [problem, remedy] = explain(errno, found?.type ?? 'its file system', recursive);
  throw refused(isolator, `${field}: ${path} cannot be seen through other ids: ${problem}`, remedy, {
    details: { field, path, errno },
  });
}

function explain(errno: string, type: string, recursive: boolean): readonly [problem: string, remedy: string] {
  if (errno === 'EPERM') return ['the host program may not', 'start it with CAP_SYS_ADMIN over that file system'];
  if (errno === 'ENOSPC' || errno === 'EUSERS') {
    return ['there can be no more user namespaces', 'raise user.max_user_namespaces'];
  }
  if (errno !== 'EINVAL') return [errno, 'mend that first'];
  const what = `${type}${recursive ? ', or what is mounted below it,' : ''} cannot on this kernel, or is so already`;
  return [what, 'use another file system, as ext4, XFS or Btrfs'];
}

/** The folder in which it will be, if it is not there yet. */
function nearest(path: string): string {
  return existsSync(path) || path === '/' ? path : nearest(dirname(path));
}

function deviceOf(path: string): number | undefined {
  try {
    return statSync(path).dev;
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
    return undefined;
  }
}
