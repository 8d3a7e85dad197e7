import type { Isolator, OciMount, TmpfsMount } from '@gantry/interface';
import { mountsOf } from './mounts.js';

const defaultSize = 64 * 1024 * 1024;
const defaultMode = 0o1777;

/** `volume/tmpfs`: file systems in memory. */
export function volumeTmpfs(): Isolator {
  return {
    name: 'volume/tmpfs',
    serves: ['mounts.tmpfs'],
    after: ['filesystem/*'],
    async edits({ spec }) {
      const mounts = mountsOf(spec, 'tmpfs').map(tmpfsMount);
      return mounts.length > 0 ? { mounts } : {};
    },
  };
}

/** Programs on it can run, as in the rest of the container's writable space. */
export function tmpfsMount(mount: TmpfsMount & { readonly destination: string }): OciMount {
  const { destination, size = defaultSize, mode = defaultMode, uid, gid, inodes } = mount;
  const options = [
    'nosuid',
    'nodev',
    `mode=${mode.toString(8).padStart(4, '0')}`,
    `size=${size}`,
    ...(uid === undefined ? [] : [`uid=${uid}`]),
    ...(gid === undefined ? [] : [`gid=${gid}`]),
    ...(inodes === undefined ? [] : [`nr_inodes=${inodes}`]),
  ];
  return { destination, type: 'tmpfs', source: 'tmpfs', options };
}
