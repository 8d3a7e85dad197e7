import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { detectCgroups } from '@gantry/isolators';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { outputMatching, startHost, type TestHost } from '../launch/host.js';
import { type LoopFilesystem, loopFilesystem } from '../support/loop-filesystem.js';
import { requires } from '../support/requires.js';

const MiB = 2 ** 20;
const cgroupParent = `/gantry-low-${process.pid}`;
const { version, mounts } = await detectCgroups();
const reasons = version === 'v2' ? [] : ['needs cgroup v2: on v1 only the whole machine’s want of memory tells'];

requires({ root: true, commands: ['mkfs.ext4'], packages: ['e2fsprogs'], reasons })('memory that was requested', () => {
  let host: TestHost;
  let disk: LoopFilesystem;
  beforeAll(async () => {
    disk = loopFilesystem('ext4');
    for (const [name, size] of Object.entries({ own: 48, other: 200 })) {
      writeFileSync(join(disk.path, name), Buffer.alloc(size * MiB, 1));
    }
    host = await startHost({ cgroupParent });
  });
  afterAll(async () => {
    await host[Symbol.asyncDispose]();
    disk[Symbol.dispose]();
  });

  /** Reads a file, so that its pages are the container's, and says so. */
  const reading = (name: string, then: string) => ({
    image: host.image,
    command: ['/bin/sh', '-c', `cat /disk/${name} >/dev/null; echo read; ${then}`],
    mounts: [{ type: 'bind', source: disk.path, target: '/disk', readonly: true }] as const,
  });

  /** Bytes that a container has left of the file that it has read, when another has read more than there is room for. */
  async function left(request: number | undefined): Promise<number> {
    const requests = request === undefined ? {} : { requests: { memory: request } };
    // What another container has of the file would not be its own.
    writeFileSync('/proc/sys/vm/drop_caches', '1');
    const { id } = await host.containerizer.launch({ ...reading('own', 'exec sleep 1000'), resources: requests });
    await outputMatching(host.containerizer, id, /read/);
    const { memory: full } = await host.containerizer.usage(id);
    expect(full?.current).toBeGreaterThan(40 * MiB);
    writeFileSync(join(mounts.get('unified') ?? '', cgroupParent, 'memory.max'), String(96 * MiB));
    await host.run(reading('other', 'cat /disk/other >/dev/null'));
    const { memory } = await host.containerizer.usage(id);
    writeFileSync(join(mounts.get('unified') ?? '', cgroupParent, 'memory.max'), 'max');
    await host.containerizer.destroy(id);
    return memory?.current ?? 0;
  }

  it('is left to a container while another of the same parent, which is at its limit, wants more', async () => {
    expect(await left(64 * MiB)).toBeGreaterThan(40 * MiB);
    expect(await left(undefined)).toBeLessThan(32 * MiB);
  });
});
