import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { detectCgroups } from '@gantry/isolators';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startHost, type TestHost } from '../launch/host.js';
import { requires } from '../support/requires.js';

const controllers = ['net_cls', 'net_prio'];

requires({ root: true })('network classes', () => {
  let host: TestHost | undefined;
  let mounts: Map<string, string>;
  let folder: string | undefined;
  beforeAll(async () => {
    const layout = await detectCgroups();
    mounts = new Map(layout.mounts);
    if (layout.version === 'v2') {
      // Beside the tree, as some VPN programs do.
      folder = mkdtempSync(join(tmpdir(), 'gantry-beside-'));
      for (const name of controllers) {
        mounts.set(name, join(folder, name));
        mkdirSync(join(folder, name));
        execFileSync('mount', ['-t', 'cgroup', '-o', name, 'cgroup', join(folder, name)]);
      }
    }
    if (controllers.every((name) => mounts.has(name))) host = await startHost({ cgroups: { ...layout, mounts } });
  });
  afterAll(async () => {
    await host?.[Symbol.asyncDispose]();
    if (folder === undefined) return;
    for (const name of controllers) execFileSync('umount', [join(folder, name)]);
    rmSync(folder, { recursive: true });
  });

  it('are given to containers that ask for them, and to no others', async (test) => {
    if (!host) return test.skip('these v1 hierarchies are not mounted, and would be everybody’s');
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
    const held = (name: string, file: string) =>
      readFileSync(join(mounts.get(name) ?? '', groups.get(name) ?? '', file), 'utf8');
    for (const name of controllers) expect(groups.get(name)).toMatch(new RegExp(`/${id}$`));
    expect(held('net_cls', 'net_cls.classid')).toBe('65538\n');
    expect(held('net_prio', 'net_prio.ifpriomap')).toMatch(/^lo 5$/m);
    await containerizer.update(id, { network: { classId: 7 } });
    expect(held('net_cls', 'net_cls.classid')).toBe('7\n');
    expect(held('net_prio', 'net_prio.ifpriomap')).toMatch(/^lo 0$/m);
    // The root of what it sees is its container's group; one elsewhere would see a way up.
    const exec = await containerizer.exec(id, {
      command: ['/bin/sh', '-c', 'grep -c "net_cls:/$" /proc/self/cgroup'],
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
