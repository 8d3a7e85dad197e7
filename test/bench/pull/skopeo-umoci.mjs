import { join } from 'node:path';

/** @type {import('./puller.mjs').Puller} */
export const skopeoUmoci = {
  name: 'skopeo+umoci',
  commands: ['skopeo', 'umoci'],
  async start({ folder, reference, sandbox }) {
    const layout = join(folder, 'layout');
    const bundle = join(folder, 'bundle');
    return {
      async pull() {
        const copy = ['copy', '--quiet', '--src-tls-verify=false'];
        await sandbox.run('skopeo', [...copy, `docker://${reference}`, `oci:${layout}:image`]);
        await sandbox.run('umoci', ['unpack', '--image', `${layout}:image`, bundle]);
      },
      layers: async () => [join(bundle, 'rootfs')],
      close: async () => undefined,
    };
  },
};
