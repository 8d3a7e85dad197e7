import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/**
 * The command of a podman that keeps everything below a folder, as arguments of env(1).
 * @param {string} folder
 * @returns {Promise<readonly string[]>}
 */
export async function podmanCommand(folder) {
  const config = join(folder, 'containers.conf');
  // Else it keeps its locks in shared memory of this machine.
  await writeFile(config, '[engine]\nlock_type = "file"\nevents_logger = "none"\n');
  return [
    ...[`CONTAINERS_CONF=${config}`, 'podman'],
    ...['--root', join(folder, 'root'), '--runroot', join(folder, 'run'), '--tmpdir', join(folder, 'tmp')],
    ...['--storage-driver', 'overlay', '--cgroup-manager', 'cgroupfs'],
  ];
}

/** @type {import('./puller.mjs').Puller} */
export const podman = {
  name: 'podman',
  commands: ['podman'],
  async start({ folder, reference, sandbox }) {
    const command = await podmanCommand(folder);
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
