import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { podmanCommand } from '../pull/podman.mjs';
import { idle, launched } from './peer.mjs';
import { timed } from './timed-program.mjs';

/**
 * There is no daemon: what one call leaves the next one finds in its mount and process namespaces. Of a hybrid control-group
 * tree only the version 1 side is left: crun takes no other.
 */
const world = `set -e
if mountpoint -q /sys/fs/cgroup/unified; then umount /sys/fs/cgroup/unified; fi
archive=$1; prepare=$2; shift 2
env $prepare load --quiet --input "$archive" >&2
if [ -n "$BOX" ]; then env $prepare run --detach $BOX >&2; fi
exec "$@"`;

/** @type {import('./peer.mjs').Peer} */
export const podman = {
  name: 'podman',
  commands: ['podman', 'conmon', 'crun'],
  async start({ folder, archive, reference, cgroup, timeExec, sandbox }) {
    const options = ['--network', 'none', '--cgroups', 'no-conmon', '--cgroup-parent', cgroup];
    /**
     * @param {string} name
     * @param {readonly string[]} box What a container to be there is run with; empty if there is to be none.
     * @param {readonly string[]} args
     */
    const start = async (name, box, args) => {
      const own = join(folder, name);
      await mkdir(own);
      const command = await podmanCommand(own);
      const timedCommand = [timeExec, 'env', ...command, ...args];
      const inside = ['sh', '-c', world, 'sh', archive, command.join(' '), ...timedCommand];
      return sandbox.start('env', [`BOX=${box.join(' ')}`, ...inside]);
    };
    const launch = await start('launch', [], ['run', ...options, reference, ...launched]);
    const exec = await start('exec', ['--name', 'box', ...options, reference, ...idle], ['exec', 'box', ...launched]);
    return {
      launch: timed(launch),
      exec: timed(exec),
      async close() {
        await launch.close();
        await exec.close();
      },
    };
  },
};
