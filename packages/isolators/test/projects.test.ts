import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { addon } from '@gantry/native';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Projects } from '../src/disk/projects.js';

let stateFolder: string;
/** The ids of which the file system knows something. */
let used: number[];
beforeEach(() => {
  stateFolder = mkdtempSync(join(tmpdir(), 'gantry-projects-'));
  used = [];
  vi.spyOn(addon(), 'projectQuota').mockImplementation((_path, project) => ({
    used: used.includes(project) ? 4096 : 0,
    files: 0,
    limit: 0,
  }));
});
afterEach(() => {
  vi.restoreAllMocks();
  rmSync(stateFolder, { recursive: true });
});

const open = (first: number, count: number) => new Projects({ stateFolder, projects: { first, count } });
const take = (projects: Projects, id: string) => projects.take(id, '/', 'disk/xfs');

describe('project ids', () => {
  it('are each in use once, by however many programs, and passed over if somebody else has them', () => {
    used = [12];
    const [one, two] = [open(10, 5), open(10, 5)];
    const taken = [take(one, 'a'), take(two, 'b'), take(one, 'c'), take(two, 'd')];
    expect(taken.sort()).toEqual([10, 11, 13, 14]);
    expect(() => take(two, 'e')).toThrow(expect.objectContaining({ code: 'REFUSED' }));
    expect(two.of('a')).toHaveLength(1);
    for (const project of one.of('a')) two.release(project);
    expect(take(two, 'e')).toBeGreaterThan(0);
    expect(readdirSync(join(stateFolder, 'projects')).sort()).toEqual(['10', '11', '13', '14']);
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
