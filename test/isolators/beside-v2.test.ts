import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { CgroupLayout } from '@gantry/interface';
import { detectCgroups } from '@gantry/isolators';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startHost, type TestHost } from '../launch/host.js';
import { requires } from '../support/requires.js';

const controllers = ['net_cls', 'net_prio'];

requires({ root: true })('v1 hierarchies beside a v2 tree', () => {
  let host: TestHost | undefined;
  let layout: CgroupLayout;
  let folder: string;
  beforeAll(async () => {
    layout = await detectCgroups();
    if (layout.version === 'v1') return;
    folder = mkdtempSync(join(tmpdir(), 'gantry-beside-'));
    const mounts = new Map(layout.mounts);
    for (const name of controllers) {
      mkdirSync(join(folder, name));
      execFileSync('mount', ['-t', 'cgroup', '-o', name, 'cgroup', join(folder, name)]);
      mounts.set(name, join(folder, name));
    }
    host = await startHost({ cgroups: { ...layout, mounts } });
  });
  afterAll(async () => {
    if (!host) return;
    await host[Symbol.asyncDispose]();
    for (const name of controllers) execFileSync('umount', [join(folder, name)]);
    rmSync(folder, { recursive: true });
  });

  it('are joined by containers that ask for their network classes, and by no others', async (test) => {
    if (!host) return test.skip('this machine has cgroup v1, whose hierarchies are everybody’s');
    const { containerizer, image } = host;
    const spec = { image, command: ['/bin/sleep', '1000'] };
    const { id } = await containerizer.launch({
      ...spec,
      resources: { network: { classId: 0x10002, priorities: { lo: 5 } }, perfEvent: true },
    });
    const { pid } = await containerizer.status(id);
    const groups = new Map(
      readFileSync(`/proc/${pid}/cgroup`, 'utf8')
        .split('\n')
        .map((line) => [line.split(':')[1] ?? '', line.split(':')[2] ?? '']),
    );
    const held = (name: string, file: string) => readFileSync(join(folder, name, groups.get(name) ?? '', file), 'utf8');
    expect(groups.get('')).toMatch(new RegExp(`/${id}$`));
    expect(groups.get('net_cls')).toBe(groups.get(''));
    expect(held('net_cls', 'net_cls.classid')).toBe('65538\n');
    expect(held('net_prio', 'net_prio.ifpriomap')).toMatch(/^lo 5$/m);
    await containerizer.update(id, { network: { classId: 7 } });
    expect(held('net_cls', 'net_cls.classid')).toBe('7\n');
    expect(held('net_prio', 'net_prio.ifpriomap')).toMatch(/^lo 0$/m);
    const exec = await containerizer.exec(id, {
      command: ['/bin/sh', '-c', 'grep -c net_cls:/gantry /proc/self/cgroup'],
    });
    expect(await exec.exit).toMatchObject({ code: 0 });
    const plain = await containerizer.launch(spec);
    const { pid: other } = await containerizer.status(plain.id);
    expect(readFileSync(`/proc/${other}/cgroup`, 'utf8')).toMatch(/:net_cls:\/$/m);
    await expect(containerizer.update(plain.id, { network: { classId: 7 } })).rejects.toMatchObject({
      code: 'REFUSED',
      message: expect.stringContaining('launch it with resources.network.classId'),
    });
    await expect(
      containerizer.launch({ ...spec, resources: { network: { priorities: { nowhere0: 1 } } } }),
    ).rejects.toMatchObject({ code: 'REFUSED', details: { isolator: 'cgroups/net_prio' } });
    for (const one of [id, plain.id]) await containerizer.destroy(one);
  });
});
