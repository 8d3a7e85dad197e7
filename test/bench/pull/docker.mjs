import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/**
 * Starts dockerd with everything of its own below a folder; it touches no network of this machine.
 * @param {{ folder: string, sandbox: import('./sandbox.mjs').Sandbox }} options
 */
export async function startDocker({ folder, sandbox }) {
  const host = `unix://${join(folder, 'docker.sock')}`;
  const config = join(folder, 'daemon.json');
  await writeFile(config, JSON.stringify({ 'deprecated-key-path': join(folder, 'key.json') }));
  const daemon = sandbox.start('dockerd', [
    ...['--host', host, '--data-root', join(folder, 'data'), '--exec-root', join(folder, 'exec')],
    ...['--pidfile', join(folder, 'docker.pid'), '--config-file', config],
    ...['--bridge', 'none', '--iptables=false', '--ip6tables=false', '--ip-forward=false', '--ip-masq=false'],
    ...['--storage-driver', 'overlay2'],
  ]);
  await daemon.says(/API listen on/);
  return {
    /**
     * Runs the client.
     * @param {...string} args
     * @returns {Promise<string>} What it wrote.
     */
    docker: (...args) => sandbox.run('docker', ['--config', join(folder, 'config'), '--host', host, ...args]),
    close: () => daemon.close(),
  };
}

/** @type {import('./puller.mjs').Puller} */
export const docker = {
  name: 'docker',
  commands: ['docker', 'dockerd', 'containerd'],
  async start({ folder, reference, sandbox }) {
    const { docker, close } = await startDocker({ folder, sandbox });
    return {
      async pull() {
        await docker('pull', '--quiet', reference);
      },
      async layers() {
        const format = '{{.GraphDriver.Data.UpperDir}}:{{.GraphDriver.Data.LowerDir}}';
        const output = await docker('image', 'inspect', '--format', format, reference);
        return output.trim().split(':').toReversed();
      },
      close,
    };
  },
};
