import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** @type {import('./puller.mjs').Puller} */
export const podman = {
  name: 'podman',
  commands: ['podman'],
  async start({ folder, reference, sandbox }) {
    const config = join(folder, 'containers.conf');
    // Else it keeps its locks in shared memory of this machine.
    await writeFile(config, '[engine]\nlock_type = "file"\nevents_logger = "none"\n');
    const command = [
      ...[`CONTAINERS_CONF=${config}`, 'podman'],
      ...['--root', join(folder, 'root'), '--runroot', join(folder, 'run'), '--tmpdir', join(folder, 'tmp')],
      ...['--storage-driver', 'overlay', '--cgroup-manager', 'cgroupfs'],
    ];
    return {
      async pull() {
        await sandbox.run('env', [...command, 'pull', '--quiet', '--tls-verify=false', reference]);
      },
      async layers() {
        const format = '{{.GraphDriver.Data.UpperDir}}:{{.GraphDriver.Data.LowerDir}}';
        const output = await sandbox.run('env', [...command, 'image', 'inspect', '--format', format, reference]);
        return output.trim().split(':').toReversed();
      },
      close: async () => undefined,
    };
  },
};
