import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ResourceLimits } from '@gantry/interface';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { outputMatching, startHost, type TestHost } from '../launch/host.js';
import { requires } from '../support/requires.js';

const MiB = 2 ** 20;
const run = (command: string, ...args: string[]) => execFileSync(command, args, { encoding: 'utf8' }).trim();

requires({
  root: true,
  commands: ['losetup', 'mkswap', 'swapon', 'swapoff'],
  packages: ['mount', 'util-linux'],
})('swap', () => {
  let host: TestHost;
  let folder: string;
  let device: string;
  beforeAll(async () => {
    host = await startHost();
    folder = mkdtempSync(join(tmpdir(), 'gantry-swap-'));
    const file = join(folder, 'file');
    writeFileSync(file, Buffer.alloc(96 * MiB));
    // Where it is a module, losetup(8) does not ask for it.
    if (!existsSync('/dev/loop-control')) run('modprobe', 'loop');
    device = run('losetup', '--find', '--show', file);
    run('mkswap', device);
    run('swapon', device);
  });
  afterAll(async () => {
    await host[Symbol.asyncDispose]();
    run('swapoff', device);
    run('losetup', '--detach', device);
    rmSync(folder, { recursive: true });
  });

  // tail(1) keeps all of it until it has seen the end.
  const launch = (limits: ResourceLimits, then: string) => {
    const script = `(head -c ${32 * MiB} /dev/zero; ${then}) | tail -c ${32 * MiB} >/dev/null`;
    return host.containerizer.launch({
      image: host.image,
      command: ['/bin/sh', '-c', script],
      resources: { limits },
    });
  };

  it('holds what is above the limit on memory, as much as was asked for', async () => {
    const { id } = await launch({ memory: 16 * MiB, swap: 48 * MiB }, 'echo held >&2; sleep 1000');
    await outputMatching(host.containerizer, id, /held/);
    const { memory } = await host.containerizer.usage(id);
    expect(memory).toMatchObject({ limit: 16 * MiB, swapLimit: 48 * MiB, oomKills: 0 });
    expect(memory?.swap).toBeGreaterThan(12 * MiB);
    expect(memory?.current).toBeLessThanOrEqual(16 * MiB);
    await host.containerizer.destroy(id);
  });

  it.each([undefined, 4 * MiB])('is no way around the limit on memory where %s was asked for', async (swap) => {
    const { id } = await launch({ memory: 16 * MiB, ...(swap === undefined ? {} : { swap }) }, 'true');
    const { limitation } = await host.containerizer.wait(id);
    expect(limitation).toMatchObject({ isolator: 'cgroups/mem', resource: 'memory' });
  });
});
