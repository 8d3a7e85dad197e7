import { randomBytes } from 'node:crypto';
import { chownSync, mkdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createContainerizer } from '@gantry/containerizer';
import { parseReference } from '@gantry/image-spec';
import type { Containerizer, ContainerSpec } from '@gantry/interface';
import { createRegistryClient } from '@gantry/registry-client';
import { buildImage, pushImage } from '@gantry/testkit';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { readOutput, startHost, type TestHost } from '../launch/host.js';
import { idmappableFolder } from '../support/idmappable-folder.js';
import { requires } from '../support/requires.js';
import type { TemporaryFolder } from '../support/temporary-folder.js';

const ids = [{ inside: 0, outside: 300_000, size: 65_536 }];

requires({ root: true })('volumes in a container with users of its own', () => {
  let host: TestHost;
  let roots: TemporaryFolder;
  let containerizer: Containerizer;
  const token = randomBytes(16).toString('hex');
  beforeAll(async () => {
    roots = await idmappableFolder();
    host = await startHost({ root: join(roots.path, 'root') });
    const folders = { root: host.root, stateRoot: join(host.root, 'state-of-users') };
    containerizer = await createContainerizer({ ...folders, secrets: { resolve: async () => token } });
  });
  afterAll(async () => {
    for await (const { id } of containerizer.containers()) await containerizer.destroy(id);
    await containerizer[Symbol.asyncDispose]();
    await host[Symbol.asyncDispose]();
    await roots[Symbol.asyncDispose]();
  });

  async function run(script: string, spec: Partial<ContainerSpec>): Promise<string> {
    const { id } = await containerizer.launch({
      image: host.image,
      command: ['/bin/sh', '-c', script],
      userNamespace: { uids: ids, gids: ids },
      ...spec,
    });
    await containerizer.wait(id);
    return (await readOutput(containerizer, id)).stdout;
  }

  it('are its root’s where ids are mapped to those of the host that it has', async () => {
    const source = join(host.root, 'source');
    mkdirSync(source);
    writeFileSync(join(source, 'file'), '');
    for (const path of [source, join(source, 'file')]) chownSync(path, 1000, 1000);
    const map = [{ source: 1000, target: 300_000, size: 1 }];
    const stdout = await run('stat -c %u:%g /m/file; touch /m/new; echo x >/ro/file || echo ro; stat -c %u /plain', {
      mounts: [
        { type: 'bind', source, target: '/m', idmap: { uids: map, gids: map } },
        { type: 'bind', source, target: '/ro', readonly: true, idmap: { uids: map, gids: map } },
        { type: 'bind', source, target: '/plain' },
      ],
    });
    expect(stdout).toBe('0:0\nro\n65534\n');
    expect(statSync(join(source, 'new')).uid).toBe(1000);
  });

  it('have images with the owners that these have, secrets and tmpfs', async () => {
    const image = `${host.registry.address}/owned:1`;
    const layers = [[{ type: 'file', path: 'file', uid: 5, gid: 6 } as const]];
    await pushImage(await buildImage({ layers }), createRegistryClient(), parseReference(image));
    const stdout = await run(
      'stat -c %u:%g /i/file /w/file; echo x >/i/file || echo ro; echo x >/w/new && stat -c %u /w/new; cat /s; stat -c %u /t; echo $TOKEN',
      {
        secretEnv: { TOKEN: { name: 'token' } },
        mounts: [
          { type: 'image', image, target: '/i' },
          { type: 'image', image, target: '/w', readonly: false },
          { type: 'secret', target: '/s', secret: { name: 'token' } },
          { type: 'tmpfs', target: '/t', uid: 7 },
        ],
      },
    );
    expect(stdout).toBe(`5:6\n5:6\nro\n0\n${token}7\n${token}\n`);
  });
});
