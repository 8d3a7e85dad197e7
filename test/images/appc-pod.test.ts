import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { appcPod, appcPodSpec, parseAppcImageManifest, parseAppcPodManifest } from '@gantry/image-spec';
import { createRegistryClient } from '@gantry/registry-client';
import { createImageStore } from '@gantry/store';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { readOutput, startHost, type TestHost } from '../launch/host.js';
import { requires } from '../support/requires.js';
import { Workshop } from './workshop.js';

const encode = (document: object) => new TextEncoder().encode(JSON.stringify(document));
const sh = (script: string) => ['/bin/sh', '-c', script];

requires({ root: true, commands: ['buildah', 'busybox', 'docker-registry', 'tar'] })('a pod of appc', () => {
  let host: TestHost;
  let workshop: Workshop;
  beforeAll(async () => {
    host = await startHost();
    workshop = await Workshop.open();
  });
  afterAll(async () => {
    await workshop[Symbol.asyncDispose]();
    await host[Symbol.asyncDispose]();
  });

  /** An image for an app, packed by GNU tar and imported. */
  async function image(name: string, app: object) {
    const manifest = {
      acKind: 'ImageManifest',
      acVersion: '0.8.11',
      name: `made.invalid/${name}`,
      labels: [
        { name: 'os', value: 'linux' },
        { name: 'arch', value: process.arch === 'arm64' ? 'aarch64' : 'amd64' },
      ],
      app,
    };
    const [folder, path] = [workshop.path('aci'), workshop.path(`${name}.aci`)];
    await mkdir(folder);
    await writeFile(join(folder, 'manifest'), JSON.stringify(manifest));
    await workshop.run('cp', '-a', workshop.rootfs, join(folder, 'rootfs'));
    await workshop.run('tar', '-C', folder, '--owner=0', '--group=0', '--gzip', '-cf', path, 'manifest', 'rootfs');
    const store = createImageStore({ root: join(host.root, 'store'), registry: createRegistryClient() });
    const { reference } = await store.import({ type: 'aci', path }, { as: `imported.invalid/${name}:1` });
    return { manifest: parseAppcImageManifest(encode(manifest)), reference };
  }

  it('runs as one of ours: one network, its volumes, and what the kernel is to hold its apps to', async () => {
    const data = workshop.path('data');
    await mkdir(data);
    await writeFile(join(data, 'greeting'), 'from the host\n');
    const server = await image('server', {
      exec: sh('echo "served as $AC_APP_NAME" >/spool/said; exec busybox nc -l -p 8000 -e busybox cat /spool/said'),
      user: '1000',
      group: '1000',
      mountPoints: [{ name: 'spool', path: '/spool' }],
    });
    const client = await image('client', { exec: ['/bin/false'], user: '0', group: '0' });
    const asks = [
      'until busybox nc 127.0.0.1 8000 2>/dev/null; do busybox sleep 0.05; done',
      'busybox cat /data/greeting; echo x 2>/dev/null >/data/new || echo read-only',
      'busybox cat /proc/sys/net/core/somaxconn; busybox grep CapBnd /proc/self/status | busybox cut -f 2',
      'busybox chown 1 /in/said 2>/dev/null || echo no owner; echo $GREETING',
    ];
    const pod = parseAppcPodManifest(
      encode({
        acKind: 'PodManifest',
        acVersion: '0.8.11',
        apps: [
          {
            name: 'server',
            image: { name: 'made.invalid/server' },
            mounts: [{ volume: 'shared', path: '/spool' }],
          },
          {
            name: 'client',
            image: { name: 'made.invalid/client' },
            app: {
              exec: sh(asks.join('; ')),
              user: '0',
              group: '0',
              environment: [{ name: 'GREETING', value: 'hello' }],
              isolators: [
                { name: 'os/linux/capabilities-retain-set', value: { set: ['CAP_NET_BIND_SERVICE'] } },
                { name: 'resource/memory', value: { limit: '64Mi' } },
              ],
            },
            mounts: [
              { volume: 'shared', path: '/in' },
              { volume: 'data', path: '/data' },
            ],
          },
        ],
        volumes: [
          { name: 'shared', kind: 'empty' },
          { name: 'data', kind: 'host', source: data, readOnly: true },
        ],
        isolators: [{ name: 'os/unix/sysctl', value: { 'net.core.somaxconn': '333' } }],
      }),
    );
    const manifests = new Map([
      ['server', server.manifest],
      ['client', client.manifest],
    ]);
    const references = new Map([
      ['server', server.reference],
      ['client', client.reference],
    ]);
    const spec = appcPodSpec(appcPod(pod, manifests), references);
    const { id, containers } = await host.containerizer.launchPod({ ...spec, endsWith: 'last' });
    expect(await host.containerizer.wait(id)).toMatchObject({ exit: { type: 'exited', code: 0 } });
    const { stdout, stderr } = await readOutput(host.containerizer, containers[1] ?? '');
    expect(stderr).toBe('');
    expect(stdout).toBe('served as server\nfrom the host\nread-only\n333\n0000000000000400\nno owner\nhello\n');
  });
});
