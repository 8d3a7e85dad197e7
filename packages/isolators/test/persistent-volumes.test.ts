import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { PersistentVolumes } from '../src/volume/persistent-volumes.js';

const owner = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };

let root: string;
let programs: readonly PersistentVolumes[];
beforeEach(async () => {
  root = mkdtempSync(join(tmpdir(), 'gantry-persistent-'));
  programs = [await program('a'), await program('b'), await program('c')];
});
afterEach(() => {
  rmSync(root, { recursive: true });
});

/** As a host program of its own has it: it knows nothing of the others here, and shares the folder with them. */
async function program(place: string): Promise<PersistentVolumes> {
  vi.resetModules();
  const module = await import('../src/volume/persistent-volumes.js');
  return new module.PersistentVolumes({ root, place });
}

const inodeOf = (path: string) => statSync(path).ino;
const left = () => [
  ...(existsSync(join(root, 'persistent/locks')) ? readdirSync(join(root, 'persistent/locks')) : []),
  ...readdirSync(join(root, 'persistent/volumes')).filter((name) => name.startsWith('.')),
];

describe('a persistent volume', () => {
  it('is one folder for all who make it at once', async () => {
    for (let round = 0; round < 10; round++) {
      const id = `volume-${round}`;
      const taken = programs.flatMap((volumes, number) =>
        [1, 2].map(async (container) => {
          await volumes.take(id, `${number}-${container}`, owner);
          return inodeOf(volumes.path(id));
        }),
      );
      const inodes = new Set(await Promise.all(taken));
      expect([...inodes]).toEqual([inodeOf(join(root, 'persistent/volumes', id))]);
    }
    expect(left()).toEqual([]);
  });

  it('is removed by one of those who want to, and never from under who has taken it', async () => {
    const [a, b, c] = programs as [PersistentVolumes, PersistentVolumes, PersistentVolumes];
    for (let round = 0; round < 10; round++) {
      const [container, id] = [`container-${round}`, `volume-${round}`];
      await a.take(id, 'first', owner);
      await a.letGo('first');
      const removals = [a, b, b].map((volumes) => volumes.remove(id));
      const taking = c.take(id, container, owner);
      const results = await Promise.allSettled([...removals, taking]);
      const isThere = existsSync(c.path(id));
      expect(results.at(-1)).toMatchObject({ status: 'fulfilled' });
      expect(isThere).toBe(true);
      const answers = results
        .slice(0, -1)
        .map((result) => (result.status === 'fulfilled' ? result.value : result.reason));
      expect(answers.filter((answer) => answer === true).length).toBeLessThanOrEqual(1);
      for (const answer of answers) {
        if (typeof answer !== 'boolean') expect(answer).toMatchObject({ code: 'WRONG_STATE' });
      }
      await c.letGo(container);
      expect(await a.remove(id)).toBe(true);
    }
    expect(left()).toEqual([]);
  });

  it('that was half made or half removed by one who died is swept away', async () => {
    const [volumes] = programs as [PersistentVolumes];
    await volumes.take('whole', 'container', owner);
    mkdirSync(join(root, 'persistent/volumes/.half-made'));
    mkdirSync(join(root, 'persistent/volumes/.half-removed~0/inside'), { recursive: true });
    const users = [];
    for await (const user of volumes.users()) users.push(user);
    expect(users).toEqual(['container']);
    expect(readdirSync(join(root, 'persistent/volumes'))).toEqual(['whole']);
    expect(left()).toEqual([]);
  });

  it('may be removed while they are listed', async () => {
    const [volumes] = programs as [PersistentVolumes];
    for (const id of ['one', 'two']) await volumes.take(id, 'container', owner);
    await volumes.letGo('container');
    const listed = [];
    for await (const { id } of volumes.list()) {
      listed.push(id);
      for (const other of ['one', 'two']) if (other !== id) await volumes.remove(other);
    }
    expect(listed).toHaveLength(1);
  });
});
