import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isZombie, MachineGroups, MiB, pidsIn, until } from './machine-groups.js';

describe.skipIf(process.getuid?.() !== 0)('control groups in use (needs root)', () => {
  let groups: MachineGroups;
  beforeAll(async () => {
    groups = await MachineGroups.open('in-use');
  });
  afterAll(() => groups.empty());

  /** Three processes in the groups of a container. */
  async function start(id: string) {
    const folders = await groups.prepare(id, { limits: { memory: 64 * MiB, pids: 20, cpus: 1 } });
    const shell = groups.run(folders, 'sleep 1000 & sleep 1000 & wait');
    await until(() => pidsIn(folders).length === 3);
    return { folders, shell };
  }
  const stateOf = (pid: number) => /^State:\s+(\S)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];

  it('freeze all that is in them, again and again, and let it go on', async () => {
    const { folders, shell } = await start('frozen');
    const freezer = groups.named('cgroups/freezer');
    for (let round = 0; round < 3; round++) {
      await freezer.freeze?.('frozen', true);
      await freezer.freeze?.('frozen', true);
      const pids = pidsIn(folders);
      expect(pids.length).toBe(3);
      for (const pid of pids) expect(stateOf(pid)).not.toBe('R');
      await freezer.freeze?.('frozen', false);
    }
    const ended = once(shell, 'exit');
    await freezer.freeze?.('frozen', true);
    await groups.cleanUp('frozen');
    await ended;
    await expect(freezer.freeze?.('nobody', true)).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });

  it('are signalled to the last process', async () => {
    const { folders, shell } = await start('signalled');
    const ended = once(shell, 'exit');
    const pids = pidsIn(folders);
    expect(await groups.named('cgroups/pids').signalAll?.('signalled', 9)).toBe(true);
    await ended;
    await until(() => pids.every((pid) => pidsIn(folders).every((left) => left !== pid) || isZombie(pid)));
    await groups.cleanUp('signalled');
  });

  it('get other limits, and back what they had if one is refused', async () => {
    const { shell } = await start('changed');
    const ended = once(shell, 'exit');
    const memory = groups.named('cgroups/mem');
    const limit = () => groups.held('changed', 'memory.limit_in_bytes', 'memory.max');
    await memory.update?.('changed', { limits: { memory: 128 * MiB } });
    expect(limit()).toBe(String(128 * MiB));
    await memory.update?.('changed', { limits: { memory: 32 * MiB } });
    expect(limit()).toBe(String(32 * MiB));
    await expect(memory.update?.('changed', { limits: { memory: 1 } })).rejects.toMatchObject({ code: 'REFUSED' });
    expect(limit()).toBe(String(32 * MiB));
    await memory.update?.('changed', {});
    expect(Number.isNaN(Number(limit())) || Number(limit()) > 2 ** 60).toBe(true);
    await groups.named('cgroups/pids').update?.('changed', { limits: { pids: 33 } });
    expect(groups.held('changed', 'pids.max', 'pids.max')).toBe('33');
    await expect(memory.update?.('nobody', {})).rejects.toMatchObject({ code: 'NOT_FOUND' });
    await groups.cleanUp('changed');
    await ended;
  });
});
