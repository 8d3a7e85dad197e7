import { mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { CgroupLayout } from '@gantry/interface';
import { detectCgroups } from '@gantry/isolators';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startHost } from '../launch/host.js';
import { requires } from '../support/requires.js';

const above = `/gantry-above-${process.pid}`;
const given = `${above}/given.scope`;

requires({ root: true })('a control group that was given to the host program', () => {
  let layout: CgroupLayout;
  let folders: string[];
  const switched = (folder: string) => readFileSync(join(folder, 'cgroup.subtree_control'), 'utf8').trim();
  beforeAll(async () => {
    layout = await detectCgroups();
    folders = [...new Set(layout.mounts.values())];
    for (const mount of folders) mkdirSync(join(mount, given), { recursive: true });
  });
  afterAll(() => {
    for (const mount of folders) for (const path of [given, above]) rmdirSync(join(mount, path));
  });

  it('is where all containers are, and nothing is written above it', async () => {
    if (layout.version === 'v2') {
      await using host = await startHost({ cgroupParent: `${given}/gantry` });
      await expect(host.run({ command: ['/bin/true'] })).rejects.toMatchObject({
        code: 'REFUSED',
        message: expect.stringContaining('have it switched on above'),
      });
      expect(folders.map((mount) => switched(join(mount, above)))).toEqual(['']);
      // As systemd does for a unit with Delegate=yes.
      writeFileSync(join(folders[0] ?? '', above, 'cgroup.subtree_control'), '+cpu +memory +pids');
    }
    await using host = await startHost({ cgroupParent: `${given}/gantry` });
    const { id } = await host.containerizer.launch({ image: host.image, command: ['/bin/sleep', '1000'] });
    const { pid } = await host.containerizer.status(id);
    const groups = readFileSync(`/proc/${pid}/cgroup`, 'utf8').trim().split('\n');
    const inside = groups.filter((line) => line.endsWith(`:${given}/gantry/${id}`));
    expect(inside).toHaveLength(layout.version === 'v2' ? 1 : 5);
    expect((await host.containerizer.usage(id)).pids).toMatchObject({ current: 1, limit: 4096 });
    if (layout.version === 'v2') {
      expect(
        switched(join(folders[0] ?? '', above))
          .split(' ')
          .sort(),
      ).toEqual(['cpu', 'memory', 'pids']);
    }
    await host.containerizer.destroy(id);
  });

  it('has nothing in it once the containerizer is closed', async () => {
    const left = folders.flatMap((mount) => readdirSync(join(mount, given), { withFileTypes: true }));
    expect(left.filter((entry) => entry.isDirectory())).toEqual([]);
  });
});
