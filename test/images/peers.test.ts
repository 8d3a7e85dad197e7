import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startHost, type TestHost } from '../launch/host.js';
import { type DockerRegistry, dockerRegistry } from '../support/docker-registry.js';
import { requires } from '../support/requires.js';

const run = promisify(execFile);

requires({ root: true, commands: ['skopeo', 'buildah', 'docker-registry'] })('images and the tools of others', () => {
  let host: TestHost;
  let registry: DockerRegistry;
  beforeAll(async () => {
    host = await startHost();
    registry = await dockerRegistry();
  });
  afterAll(async () => {
    await registry?.[Symbol.asyncDispose]();
    await host?.[Symbol.asyncDispose]();
  });

  const pushed = (name: string) => `${registry.address}/${name}`;

  it('a store is an image layout that skopeo reads', async () => {
    const image = await host.containerizer.launch({ image: host.image, command: ['/bin/true'] });
    await host.containerizer.wait(image.id);
    const layout = join(host.root, 'store', 'layout');
    const { stdout } = await run('skopeo', ['inspect', `oci:${layout}:${image.image?.reference}`]);
    expect(JSON.parse(stdout)).toMatchObject({ Digest: image.image?.digest, Os: 'linux' });
  });

  it('an image that skopeo pushed to a real registry is pulled and run', async () => {
    const reference = pushed('skopeo/busybox:1');
    const insecure = ['--src-tls-verify=false', '--dest-tls-verify=false'];
    await run('skopeo', ['copy', ...insecure, `docker://${host.image}`, `docker://${reference}`]);
    const { termination, stdout } = await host.run({ image: reference, command: ['/bin/echo', 'from skopeo'] });
    expect(termination.exit).toMatchObject({ type: 'exited', code: 0 });
    expect(stdout).toBe('from skopeo\n');
  });

  it.each(['oci', 'docker'])(
    'an image that buildah made as %s and pushed to a real registry is pulled and run',
    async (format) => {
      const reference = pushed(`buildah/${format}:1`);
      const isolated = [
        '--root',
        join(host.root, 'buildah'),
        '--runroot',
        join(host.root, 'buildah-run'),
        '--storage-driver',
        'vfs',
      ];
      const buildah = async (...args: string[]) => (await run('buildah', [...isolated, ...args])).stdout.trim();
      const container = await buildah('from', '--tls-verify=false', `docker://${host.image}`);
      const mounted = await buildah('mount', container);
      await run('sh', [
        '-c',
        'echo by buildah > "$0/made"; rm "$0/etc/motd" 2>/dev/null; chown 1000 "$0/made"',
        mounted,
      ]);
      await buildah('config', '--user', 'guest', '--cmd', '["/bin/cat","/made"]', container);
      await buildah('unmount', container);
      await buildah('commit', '--format', format, '--tls-verify=false', container, `docker://${reference}`);
      await buildah('rm', container);
      await buildah('rmi', '--all', '--force');
      const { termination, stdout } = await host.run({ image: reference });
      expect(termination.exit).toMatchObject({ type: 'exited', code: 0 });
      expect(stdout).toBe('by buildah\n');
    },
  );
});
