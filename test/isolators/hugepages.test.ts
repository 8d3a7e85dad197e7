import { readFileSync, writeFileSync } from 'node:fs';
import type { CgroupLayout, ContainerSpec } from '@gantry/interface';
import { detectCgroups } from '@gantry/isolators';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { outputMatching, readOutput, startHost, type TestHost } from '../launch/host.js';
import { requires } from '../support/requires.js';

const size = 2 * 2 ** 20;
const reserved = '/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages';

/** Maps and touches one huge page after the other: MAP_HUGETLB, private, of no file. */
const program = (pages: number) => `import mmap, time
held = []
try:
  for _ in range(${pages}):
    page = mmap.mmap(-1, ${size}, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | 0x40000)
    page[0] = 1
    held.append(page)
except OSError as error:
  print(error.errno, end=' ')
print(len(held), 'pages', flush=True)
time.sleep(1000)`;

requires({ root: true, commands: ['python3'] })('huge pages', () => {
  let host: TestHost;
  let layout: CgroupLayout;
  let before: string;
  let offered: boolean;
  beforeAll(async () => {
    host = await startHost();
    layout = await detectCgroups();
    offered = layout.mounts.has('hugetlb') || layout.unified?.includes('hugetlb') === true;
    before = readFileSync(reserved, 'utf8');
    if (offered) writeFileSync(reserved, '4');
  });
  afterAll(async () => {
    await host[Symbol.asyncDispose]();
    if (offered) writeFileSync(reserved, before);
  });

  const launch = async (pages: number, hugepages: Record<string, number>) => {
    const spec: ContainerSpec = {
      rootfs: '/',
      readonlyRootfs: true,
      command: ['/usr/bin/python3', '-c', program(pages)],
      resources: { limits: { hugepages } },
    };
    return (await host.containerizer.launch(spec)).id;
  };

  it('are limited, measured, and given back, or refused where no tree has their controller', async () => {
    if (!offered) {
      await expect(launch(1, { '2MB': size })).rejects.toMatchObject({
        code: 'REFUSED',
        details: { isolator: 'cgroups/hugetlb' },
      });
      return;
    }
    expect(Number(readFileSync(reserved, 'utf8'))).toBe(4);
    const id = await launch(3, { '2MB': size });
    await outputMatching(host.containerizer, id, /pages/);
    // ENOMEM for the second one.
    expect((await readOutput(host.containerizer, id)).stdout).toBe('12 1 pages\n');
    const usage = (await host.containerizer.usage(id)).hugepages?.['2MB'];
    expect(usage).toMatchObject({ current: size, limit: size });
    await host.containerizer.update(id, { limits: { hugepages: { '2MB': 2 * size } } });
    expect((await host.containerizer.usage(id)).hugepages?.['2MB']?.limit).toBe(2 * size);
    await host.containerizer.update(id, {});
    expect((await host.containerizer.usage(id)).hugepages?.['2MB']?.limit).toBeUndefined();
    await host.containerizer.destroy(id);
  });

  it('of other sizes than the host has, and parts of pages, are refused', async () => {
    await expect(launch(1, { '3MB': 3 * 2 ** 20 })).rejects.toMatchObject({
      code: 'REFUSED',
      message: expect.stringContaining('use one of'),
    });
    await expect(launch(1, { '2MB': size + 1 })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  });
});
