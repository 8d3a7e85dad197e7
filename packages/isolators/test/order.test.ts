import { type CgroupLayout, type Isolator, isGantryError } from '@gantry/interface';
import { describe, expect, it } from 'vitest';
import { createIsolators } from '../src/create.js';
import { orderIsolators } from '../src/order.js';

const isolator = (name: string, ...after: string[]): Isolator => ({ name, after, edits: async () => ({}) });
const namesOf = (isolators: readonly Isolator[]) => orderIsolators(isolators).map(({ name }) => name);

describe('orderIsolators', () => {
  it('puts each after those it names, whole families included, and ignores absent ones', () => {
    const given = [isolator('a/one', 'z/*', 'absent'), isolator('z/b'), isolator('z/a', 'z/b'), isolator('m', 'a/one')];
    expect(namesOf(given)).toEqual(['z/b', 'z/a', 'a/one', 'm']);
  });

  it('gives one order, whatever order it is given', () => {
    const given = ['c', 'a', 'b', 'd'].map((name) => isolator(name, ...(name === 'a' ? ['d'] : [])));
    const expected = namesOf(given);
    expect(namesOf([...given].reverse())).toEqual(expected);
    expect(expected).toEqual(['b', 'c', 'd', 'a']);
  });

  it('does not make a member of a family wait for itself', () => {
    expect(namesOf([isolator('f/a', 'f/*'), isolator('f/b')])).toEqual(['f/b', 'f/a']);
  });

  it('names those that wait for each other, and only those', () => {
    const given = [isolator('a', 'c'), isolator('b', 'a'), isolator('c', 'b'), isolator('d', 'a'), isolator('e')];
    try {
      orderIsolators(given);
      expect.unreachable();
    } catch (error) {
      if (!isGantryError(error, 'CONFLICT')) throw error;
      expect([...(error.details['isolators'] as string[])].sort()).toEqual(['a', 'b', 'c']);
    }
  });

  it('refuses two of one name', () => {
    expect(() => orderIsolators([isolator('a'), isolator('a')])).toThrow(expect.objectContaining({ code: 'CONFLICT' }));
  });

  it('can order every isolator of the package, the root file system before what runs in it', () => {
    const cgroups: CgroupLayout = { version: 'v2', mounts: new Map([['unified', '/sys/fs/cgroup']]) };
    const names = namesOf(createIsolators({ cgroups }));
    expect(names.indexOf('filesystem/linux')).toBeLessThan(names.indexOf('docker/runtime'));
    expect(names.indexOf('docker/runtime')).toBeLessThan(names.indexOf('linux/capabilities'));
  });
});
