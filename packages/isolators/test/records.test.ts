import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { NumberClaims } from '../src/number-claims.js';
import { ContainerRecords } from '../src/records.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gantry-records-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

/** What a host program with the number of this one has left, that died as it wrote. */
const leaveUnfinished = (name: string) => {
  for (let count = 0; count < 100; count++) writeFileSync(join(folder, `${name}.${process.pid}-${count}.tmp`), '');
};

describe('what an isolator keeps of a container', () => {
  it('is written, whatever another host program has left unfinished', () => {
    leaveUnfinished('a.json');
    const records = new ContainerRecords<{ of: string }>(folder);
    records.write('a', { of: 'a' });
    expect(records.read('a')).toEqual({ of: 'a' });
    expect(records.ids()).toEqual(['a']);
  });

  it('is a number that is free, whatever another host program has left unfinished', () => {
    leaveUnfinished('7');
    const claims = new NumberClaims(folder);
    expect(claims.take(7, 'a')).toBe(true);
    expect(claims.take(7, 'b')).toBe(false);
    expect(claims.all()).toEqual([[7, 'a']]);
  });

  it('leaves nothing beside it', () => {
    const records = new ContainerRecords<{ of: string }>(folder);
    records.write('a', { of: 'a' });
    records.write('a', { of: 'b' });
    expect(readdirSync(folder)).toEqual(['a.json']);
    records.remove('a');
    expect(readdirSync(folder)).toEqual([]);
  });
});
