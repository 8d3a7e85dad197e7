import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { addon } from '@gantry/native';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Projects } from '../src/disk/projects.js';

let stateFolder: string;
/** The ids of which the file system knows something. */
let used: number[];
/** What the file system counts in each project. */
let files: Map<number, number>;
beforeEach(() => {
  stateFolder = mkdtempSync(join(tmpdir(), 'gantry-projects-'));
  used = [];
  files = new Map();
  vi.spyOn(addon(), 'projectQuota').mockImplementation((_path, project) => ({
    used: used.includes(project) ? 4096 : 0,
    files: files.get(project) ?? 0,
    limit: 0,
  }));
});
afterEach(() => {
  vi.restoreAllMocks();
  rmSync(stateFolder, { recursive: true });
});

const open = (first: number, count: number, place = '') =>
  new Projects({ stateFolder: join(stateFolder, place), projects: { first, count } });
/** Two folders, as an overlay has. `meanwhile` is what another does between the look at an id and its use. */
const take = (projects: Projects, id: string, meanwhile: (project: number) => void = () => undefined) => {
  let current: number | undefined;
  return projects.take(id, '/', 'disk/xfs', {
    count: 2,
    putInto(project) {
      meanwhile(project);
      if (current !== undefined) files.set(current, (files.get(current) ?? 0) - 2);
      files.set(project, (files.get(project) ?? 0) + 2);
      current = project;
    },
  });
};

describe('project ids', () => {
  it('are each in use once, by however many programs, and passed over if somebody else has them', () => {
    used = [12];
    const [one, two] = [open(10, 5), open(10, 5)];
    const taken = [take(one, 'a'), take(two, 'b'), take(one, 'c'), take(two, 'd')];
    expect(taken.sort()).toEqual([10, 11, 13, 14]);
    expect(() => take(two, 'e')).toThrow(expect.objectContaining({ code: 'REFUSED' }));
    expect(two.of('a')).toHaveLength(1);
    for (const project of one.of('a')) {
      two.release(project);
      files.delete(project);
    }
    expect(take(two, 'e')).toBeGreaterThan(0);
    expect(readdirSync(join(stateFolder, 'projects')).sort()).toEqual(['10', '11', '13', '14']);
  });

  it('are one container’s also where two state roots have the same and look at once', () => {
    const [one, two] = [open(10, 20, 'one'), open(10, 20, 'two')];
    const ids = new Map<string, number>();
    for (let round = 0; round < 9; round++) {
      // The other comes to the same id, and to the end with it, while this one has only looked.
      const other = (project: number) => {
        if (ids.has(`b${round}`)) return;
        ids.set(`b${round}`, take(open(project, 1, 'two'), `b${round}`));
      };
      ids.set(`a${round}`, take(one, `a${round}`, other));
    }
    expect(new Set(ids.values()).size).toBe(18);
    for (const [id, project] of ids) expect((id.startsWith('a') ? one : two).of(id)).toEqual([project]);
    expect([...files.values()].filter((count) => count > 0)).toEqual(Array.from({ length: 18 }, () => 2));
  });

  it('are nobody’s if two come to one at once and there is no other', () => {
    const other = open(10, 1, 'other');
    const meanwhile = () => files.set(10, 2);
    expect(() => take(other, 'a', meanwhile)).toThrow(expect.objectContaining({ code: 'REFUSED' }));
    expect(other.of('a')).toEqual([]);
  });

  it.each([
    [0, 5],
    [-1, 5],
    [1.5, 5],
    [1, 0],
    [1, Number.POSITIVE_INFINITY],
    [Number.NaN, 1],
    [2 ** 32 - 2, 2],
  ])('are refused that no file system has: from %d on, %d', (first, count) => {
    expect(() => open(first, count)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
  });
});
