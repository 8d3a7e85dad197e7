import { createContainerizer } from '@gantry/containerizer';
import { expect, it } from 'vitest';
import { outputMatching, startHost, type TestHost } from '../launch/host.js';
import { requires } from '../support/requires.js';

const MiB = 2 ** 20;
const sh = (script: string) => ({ command: ['/bin/sh', '-c', script] });
const limited = (disk: number) => ({ resources: { limits: { disk } } });
const disk = { enforce: 'polling', intervalMs: 20 } as const;

async function settled(host: TestHost, id: string) {
  const termination = await host.containerizer.wait(id);
  await host.containerizer.remove(id);
  return termination;
}

requires({ root: true })('a disk limit that is measured', () => {
  it('ends the container that is over it, and no other', async () => {
    await using host = await startHost({ disk });
    const { containerizer, image } = host;
    const other = await containerizer.launch({
      image,
      ...limited(64 * MiB),
      ...sh('dd if=/dev/zero of=/f bs=1M count=8; echo written; sleep 1000'),
    });
    const { id } = await containerizer.launch({
      image,
      ...limited(4 * MiB),
      ...sh('while :; do dd if=/dev/zero of=/f$((i=i+1)) bs=64k count=1 2>/dev/null; done'),
    });
    const termination = await settled(host, id);
    expect(termination).toMatchObject({
      exit: { type: 'signaled', signal: 'SIGKILL' },
      limitation: { isolator: 'disk/du', resource: 'disk', statistics: { limit: 4 * MiB } },
      destroyed: false,
    });
    expect(termination.limitation?.statistics?.['used']).toBeGreaterThan(4 * MiB);
    await outputMatching(containerizer, other.id, /written/);
    const { disk: used } = await containerizer.usage(other.id);
    expect(used?.limit).toBe(64 * MiB);
    expect(used?.used).toBeGreaterThanOrEqual(8 * MiB);
    expect(used?.used).toBeLessThan(9 * MiB);
    expect(await containerizer.status(other.id)).toMatchObject({ state: 'RUNNING' });
  });

  it('counts neither holes nor a second name, and what is removed no more', async () => {
    await using host = await startHost({ disk });
    const { containerizer, image } = host;
    const script = [
      'dd if=/dev/zero of=/a bs=1M count=3',
      'i=0; while [ $i -lt 20 ]; do ln /a /a$((i=i+1)); done',
      'truncate -s 1T /hole; dd if=/dev/zero of=/far bs=4k count=1 seek=1000000',
      'echo ready; sleep 1000',
    ];
    const { id } = await containerizer.launch({ image, ...limited(4 * MiB), ...sh(script.join('; ')) });
    await outputMatching(containerizer, id, /ready/);
    // An update measures, and refuses what is less.
    await containerizer.update(id, { limits: { disk: 3.5 * MiB } });
    await expect(containerizer.update(id, { limits: { disk: 2.5 * MiB } })).rejects.toThrow(/has written/);
  });

  it('is only reported where that is wanted', async () => {
    await using host = await startHost({ disk: { ...disk, onLimit: 'report' } });
    const { id } = await host.containerizer.launch({
      image: host.image,
      ...limited(MiB),
      ...sh('dd if=/dev/zero of=/f bs=1M count=2; sleep 0.3; exit 4'),
    });
    expect(await settled(host, id)).toMatchObject({
      exit: { type: 'exited', code: 4 },
      limitation: { resource: 'disk' },
    });
  });

  it('is changed by update, but not to less than has been written', async () => {
    await using host = await startHost({ disk });
    const { containerizer, image } = host;
    const { id } = await containerizer.launch({
      image,
      ...limited(MiB),
      ...sh('echo ready; read x; dd if=/dev/zero of=/f bs=1M count=3; echo written; sleep 1000'),
      stdin: true,
    });
    await outputMatching(containerizer, id, /ready/);
    await containerizer.update(id, { limits: { disk: 8 * MiB } });
    await using attachment = await containerizer.attach(id, { stdin: true });
    attachment.stdin?.write('\n');
    await outputMatching(containerizer, id, /written/);
    await expect(containerizer.update(id, { limits: { disk: 2 * MiB } })).rejects.toMatchObject({ code: 'REFUSED' });
    expect((await containerizer.usage(id)).disk?.limit).toBe(8 * MiB);
    await containerizer.update(id, {});
    expect((await containerizer.usage(id)).disk?.limit).toBeUndefined();
    const free = await containerizer.launch({ image, command: ['/bin/sleep', '1000'] });
    await expect(containerizer.update(free.id, { limits: { disk: MiB } })).rejects.toMatchObject({ code: 'REFUSED' });
  });

  it('holds in the next host program', async () => {
    await using host = await startHost({ disk });
    const script = 'until [ -e /dev/shm/go ]; do sleep 0.05; done; dd if=/dev/zero of=/f bs=1M count=8; sleep 1000';
    const { id } = await host.containerizer.launch({ image: host.image, ...limited(4 * MiB), ...sh(script) });
    await host.containerizer[Symbol.asyncDispose]();
    await using next = await createContainerizer({ root: host.root, stateRoot: host.stateRoot, disk });
    await next.recover();
    await (await next.exec(id, { command: ['/bin/touch', '/dev/shm/go'] })).exit;
    expect(await next.wait(id)).toMatchObject({ limitation: { resource: 'disk' } });
  });

  it('is refused where it cannot be kept', async () => {
    await using host = await startHost({ disk: { enforce: 'quota' } });
    const { containerizer, image } = host;
    const launch = (spec: object) => containerizer.launch({ command: ['/bin/true'], ...spec });
    await expect(launch({ image, ...limited(MiB) })).rejects.toThrow(/disk\/xfs.*prjquota.*polling/);
    await expect(launch({ image, ...limited(1000) })).rejects.toThrow(/65536 or more/);
    await expect(launch({ rootfs: '/', ...limited(MiB) })).rejects.toThrow(/spec\.image/);
  });
});
