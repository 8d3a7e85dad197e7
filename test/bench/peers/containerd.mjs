import { join } from 'node:path';
import { startContainerd } from '../pull/containerd.mjs';
import { idle, launched } from './peer.mjs';
import { timed } from './timed-program.mjs';

/** @type {import('./peer.mjs').Peer} */
export const containerd = {
  name: 'containerd',
  commands: ['containerd', 'ctr', 'runc'],
  async start({ folder, archive, reference, cgroup, timeExec, sandbox }) {
    const daemon = await startContainerd({ folder, sandbox });
    const [ctr, ...options] = daemon.client;
    // Where the client runs, the daemon's /run is not to be seen.
    const fifos = ['--fifo-dir', join(folder, 'fifos')];
    await sandbox.run(ctr, [...options, 'images', 'import', archive]);
    const box = [...fifos, '--cgroup', `${cgroup}/box`, '--detach', reference, 'box', ...idle];
    await sandbox.run(ctr, [...options, 'run', ...box]);
    const once = [...fifos, '--cgroup', `${cgroup}/true`, reference, '{}', ...launched];
    const launch = sandbox.start(timeExec, [...daemon.client, 'run', ...once]);
    const beside = [...fifos, '--exec-id', '{}', 'box', ...launched];
    const exec = sandbox.start(timeExec, [...daemon.client, 'tasks', 'exec', ...beside]);
    return {
      launch: timed(launch),
      exec: timed(exec),
      async close() {
        for (const program of [launch, exec, daemon]) await program.close();
      },
    };
  },
};
