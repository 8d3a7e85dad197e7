import { readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { ContainerSpec } from '@gantry/interface';
import { detectCgroups } from '@gantry/isolators';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { outputMatching, readOutput, startHost, type TestHost } from '../launch/host.js';
import { eventually } from '../support/eventually.mjs';
import { requires } from '../support/requires.js';
import { LoopDisk } from './loop-disk.js';

const sh = (script: string) => ({ command: ['/bin/sh', '-c', script] });
const MiB = 2 ** 20;

requires({ root: true, commands: ['losetup', 'mkfs.ext4', 'dd'] })('limits on a disk', () => {
  let host: TestHost;
  let disk: LoopDisk;
  beforeAll(async () => {
    host = await startHost();
    disk = await LoopDisk.attach(64 * MiB);
  });
  afterAll(async () => {
    await host[Symbol.asyncDispose]();
    await disk[Symbol.asyncDispose]();
  });

  const write = 'dd if=/dev/zero of=/mnt/file bs=1048576 count=6 oflag=direct 2>/dev/null';
  const spec = (script: string, resources: ContainerSpec['resources']): ContainerSpec => ({
    rootfs: '/',
    ...sh(`${script}; echo done; exec sleep 1000`),
    mounts: [{ type: 'bind', source: disk.mount, target: '/mnt' }],
    ...(resources ? { resources } : {}),
  });

  it('slow a writer down to what it may write, and are gone when they are taken away', async () => {
    const rate = 2 * MiB;
    const io = { weight: 50, devices: [{ device: disk.device, writeBytes: rate, readOperations: 100 }] };
    const before = performance.now();
    const { id } = await host.containerizer.launch(spec(write, { io }));
    await outputMatching(host.containerizer, id, /done/);
    // Six times the rate of a third, less what the kernel lets through at once.
    expect(performance.now() - before).toBeGreaterThan(1_500);
    const { io: usage } = await host.containerizer.usage(id);
    const entry = usage?.devices.find(({ major, minor }) => `${major}:${minor}` === disk.numbers);
    expect(entry?.writeBytes).toBeGreaterThanOrEqual(6 * MiB);
    expect(entry?.writeOperations).toBeGreaterThan(0);
    await host.containerizer.update(id, { io: { devices: [{ device: disk.numbers, writeOperations: 7 }] } });
    expect(await limitsOf(id)).toEqual({ writeOperations: '7' });
    await host.containerizer.update(id, {});
    expect(await limitsOf(id)).toEqual({});
    await host.containerizer.destroy(id);
    expect((await readOutput(host.containerizer, id)).stdout).toBe('done\n');
  });

  /** The limits that the kernel shows for the disk. */
  async function limitsOf(id: string): Promise<Record<string, string>> {
    const { pid } = await host.containerizer.status(id);
    const { version, mounts } = await detectCgroups();
    const controller = version === 'v1' ? 'blkio' : '';
    const groups = readFileSync(`/proc/${pid}/cgroup`, 'utf8')
      .split('\n')
      .map((line) => line.split(':'));
    const folder = join(
      mounts.get(controller || 'unified') ?? '',
      groups.find(([, name]) => name === controller)?.[2] ?? '',
    );
    const line = (file: string) =>
      readFileSync(join(folder, file), 'utf8')
        .split('\n')
        .find((text) => text.startsWith(`${disk.numbers} `)) ?? '';
    const words =
      version === 'v1'
        ? [
            ['writeOperations', line('blkio.throttle.write_iops_device').split(' ')[1]],
            ['readOperations', line('blkio.throttle.read_iops_device').split(' ')[1]],
            ['writeBytes', line('blkio.throttle.write_bps_device').split(' ')[1]],
          ]
        : [
            ['writeOperations', /wiops=(\d+)/.exec(line('io.max'))?.[1]],
            ['readOperations', /riops=(\d+)/.exec(line('io.max'))?.[1]],
            ['writeBytes', /wbps=(\d+)/.exec(line('io.max'))?.[1]],
          ];
    return Object.fromEntries(words.filter(([, value]) => value !== undefined)) as Record<string, string>;
  }

  it('give each writer his share by weight, where the scheduler of the disk knows any', async ({ skip }) => {
    const scheduler = `/sys/block/${basename(disk.device)}/queue/scheduler`;
    const [, before = 'none'] = /\[(.*)\]/.exec(readFileSync(scheduler, 'utf8')) ?? [];
    try {
      // Where it is a module, this loads it.
      writeFileSync(scheduler, 'bfq');
    } catch (error) {
      return skip(`the kernel has no BFQ: ${error}`);
    }
    try {
      const launch = async (weight: number) => {
        // Enough at once for the disk to be what they wait for.
        const one = `dd if=/dev/zero of=/mnt/weight-${weight} bs=1048576 count=20 oflag=direct conv=notrunc 2>/dev/null`;
        const all = `for i in 1 2 3 4; do (while :; do ${one}; done) & done; wait`;
        return (await host.containerizer.launch(spec(all, { io: { weight } }))).id;
      };
      const ids = [await launch(1000), await launch(50)] as const;
      const written = async (id: string) => {
        const { io } = await host.containerizer.usage(id);
        return io?.devices.find(({ major, minor }) => `${major}:${minor}` === disk.numbers)?.writeBytes ?? 0;
      };
      const both = () => Promise.all(ids.map(written));
      const from = await eventually(both, (amounts) => Math.min(...amounts) > 0, 60_000);
      const to = await eventually(both, ([much = 0]) => much > (from[0] ?? 0) + 512 * MiB, 60_000);
      const [more = 0, less = 0] = to.map((amount, index) => amount - (from[index] ?? 0));
      // Twenty times, were both always waiting.
      expect(more / less).toBeGreaterThan(1.5);
      for (const id of ids) await host.containerizer.destroy(id);
    } finally {
      writeFileSync(scheduler, before);
    }
  });

  it('are refused for what is no disk of this host', async () => {
    for (const [device, message] of [
      ['/dev/null', /is not a block device/],
      ['/dev/no-such-disk', /cannot be had \(ENOENT\)/],
      ['4095:1', /is no block device of this host/],
    ] as const) {
      const refused = host.containerizer.launch(spec('true', { io: { devices: [{ device, readBytes: MiB }] } }));
      await expect(refused).rejects.toMatchObject({
        code: 'REFUSED',
        message: expect.stringMatching(message),
        details: { isolator: 'cgroups/blkio' },
      });
    }
  });
});
