import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/**
 * Starts containerd with everything of its own below a folder.
 * @param {{ folder: string, sandbox: import('./sandbox.mjs').Sandbox }} options
 */
export async function startContainerd({ folder, sandbox }) {
  const root = join(folder, 'root');
  const socket = join(folder, 'containerd.sock');
  const config = join(folder, 'config.toml');
  await mkdir(root);
  await writeFile(config, configuration(root, join(folder, 'state'), socket));
  const daemon = sandbox.start('containerd', ['--config', config]);
  await daemon.says(/containerd successfully booted/);
  return {
    root,
    /**
     * Its client, to be run with what it is to do.
     * @type {readonly [string, ...string[]]}
     */
    client: ['ctr', '--address', socket],
    close: () => daemon.close(),
  };
}

/** @type {import('./puller.mjs').Puller} */
export const containerd = {
  name: 'containerd',
  commands: ['containerd', 'ctr'],
  async start({ folder, reference, sandbox }) {
    const { root, client, close } = await startContainerd({ folder, sandbox });
    const [ctr, ...options] = client;
    return {
      async pull() {
        await sandbox.run(ctr, [...options, 'images', 'pull', '--plain-http', reference]);
      },
      async layers() {
        const snapshots = join(root, 'io.containerd.snapshotter.v1.overlayfs/snapshots');
        // Numbered as they were made, each above the one before.
        const numbers = (await readdir(snapshots)).map(Number).sort((a, b) => a - b);
        return numbers.map((number) => join(snapshots, `${number}`, 'fs'));
      },
      close,
    };
  },
};

/**
 * @param {string} root
 * @param {string} state
 * @param {string} socket
 */
const configuration = (root, state, socket) => `version = 2
root = ${JSON.stringify(root)}
state = ${JSON.stringify(state)}
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
address = ${JSON.stringify(socket)}
`;
