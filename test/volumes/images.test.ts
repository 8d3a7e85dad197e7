import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { createContainerizer } from '@gantry/containerizer';
import { parseReference } from '@gantry/image-spec';
import type { ContainerMount } from '@gantry/interface';
import { createRegistryClient } from '@gantry/registry-client';
import { createImageStore } from '@gantry/store';
import { buildImage, pushImage } from '@gantry/testkit';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startHost, type TestHost } from '../launch/host.js';
import { requires } from '../support/requires.js';
import { mountAt } from './mountinfo.js';

const sh = (script: string) => ({ command: ['/bin/sh', '-c', script] });

requires({ root: true })('volume/image', () => {
  let host: TestHost;
  let one: string;
  let two: string;
  beforeAll(async () => {
    host = await startHost();
    one = `${host.registry.address}/data-one:1`;
    two = `${host.registry.address}/data-two:1`;
    const base = [
      { type: 'file', path: 'low', content: 'low\n' },
      { type: 'file', path: 'gone', content: 'gone\n' },
    ] as const;
    const top = [
      { type: 'file', path: '.wh.gone' },
      { type: 'file', path: 'high', content: 'high\n' },
    ] as const;
    await push(one, [base]);
    await push(two, [base, top]);
  });
  afterAll(() => host[Symbol.asyncDispose]());

  async function push(reference: string, layers: Parameters<typeof buildImage>[0]['layers']) {
    await pushImage(await buildImage({ layers }), createRegistryClient(), parseReference(reference));
  }
  const uppers = () => {
    const root = join(host.root, 'image-volumes');
    return existsSync(root) ? readdirSync(root).flatMap((place) => readdirSync(join(root, place))) : [];
  };

  it('is pulled and there to read, of one layer and of several', async () => {
    const mounts: ContainerMount[] = [
      { type: 'image', image: one, target: '/one' },
      { type: 'image', image: two, target: '/two' },
    ];
    const { stdout } = await host.run({
      ...sh(
        'ls /one /two; cat /two/high; for i in one two; do echo x >/$i/low || echo ro; rm /$i/low || echo ro; done',
      ),
      mounts,
    });
    expect(stdout).toBe('/one:\ngone\nlow\n\n/two:\nhigh\nlow\nhigh\nro\nro\nro\nro\n');
  });

  it('can be written to by one container alone, and is as before for the next', async () => {
    for (const image of [one, two]) {
      const mounts: ContainerMount[] = [{ type: 'image', image, target: '/v', readonly: false }];
      const { stdout, id } = await host.run({
        ...sh('cat /v/low; echo mine >/v/low; rm -f /v/high; cat /v/low; ls /v'),
        mounts,
      });
      expect(stdout).toMatch(/^low\nmine\n(gone\n)?low\n$/);
      expect(uppers()).toEqual([]);
      await host.containerizer.remove(id);
      expect((await host.run({ ...sh('cat /v/low'), mounts })).stdout).toBe('low\n');
    }
  });

  it('is an overlay without devices, whose writable part is the host’s to clean up', async () => {
    const mounts: ContainerMount[] = [{ type: 'image', image: two, target: '/v', readonly: false }];
    const { id, pid } = await host.containerizer.launch({ image: host.image, command: ['/bin/sleep', '600'], mounts });
    expect(mountAt(pid, '/v')).toMatchObject({ type: 'overlay', options: expect.arrayContaining(['nodev', 'rw']) });
    expect(uppers()).toEqual([id]);
    await host.containerizer.destroy(id);
    expect(uppers()).toEqual([]);
  });

  it('is kept from garbage collection while a container has it', async () => {
    const folders = { root: join(host.root, 'other'), stateRoot: join(host.root, 'other-state') };
    // One that keeps nothing for those who may be about to use it.
    const store = createImageStore({
      root: join(folders.root, 'store'),
      registry: createRegistryClient(),
      unpackHoldMs: 1,
    });
    await using containerizer = await createContainerizer({ ...folders, store });
    const mounts: ContainerMount[] = [{ type: 'image', image: two, target: '/v' }];
    const { id } = await containerizer.launch({ image: host.image, command: ['/bin/sleep', '600'], mounts });
    await store.collectGarbage();
    const cat = await containerizer.exec(id, { command: ['/bin/cat', '/v/high'] });
    expect((await cat.stdout.toArray()).join('')).toBe('high\n');
    await cat[Symbol.asyncDispose]();
    expect(await store.get(two)).toBeDefined();
    await containerizer.destroy(id);
    await store.collectGarbage();
    expect(await store.get(two)).toBeUndefined();
  });

  it('ends the launch if it cannot be pulled, and the plan if it was not', async () => {
    const mounts: ContainerMount[] = [{ type: 'image', image: `${host.registry.address}/absent:1`, target: '/v' }];
    await expect(host.run({ ...sh('true'), mounts })).rejects.toMatchObject({ code: 'NOT_FOUND' });
    const plan = host.containerizer.plan({ image: host.image, ...sh('true'), mounts });
    await expect(plan).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });
});
