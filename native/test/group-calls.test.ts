import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { addon } from '../src/index.js';

describe('a list of calls for a control group', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'gantry-group-calls-'));
    writeFileSync(join(folder, 'limit'), 'unlimited');
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  const at = (name: string) => join(folder, name);

  it('makes, writes and reads in its order, and gives what was read', () => {
    writeFileSync(at('list'), '');
    const read = addon().runGroupCalls([
      ['make', at('group')],
      ['write', at('list'), 'one ', 'two'],
      ['set', at('limit'), '0123456789'],
      ['try', at('missing'), 'value'],
      ['try', at('limit'), 'ABC'],
      ['read', at('list')],
    ]);
    expect(read).toEqual(['0123456789', null, 'ABC3456789', 'one two']);
    expect(existsSync(at('group'))).toBe(true);
    expect(existsSync(at('missing'))).toBe(false);
  });

  it('reads a file of any size', () => {
    const text = 'c 1:3 rwm\n'.repeat(2000);
    writeFileSync(at('list'), text);
    expect(addon().runGroupCalls([['read', at('list')]])).toEqual([text]);
  });

  it.each([
    ['a folder that is there', (path: string) => ['make', path] as const],
    ['a file that cannot be opened', (path: string) => ['set', join(path, 'missing'), '1'] as const],
    ['a folder for a file', (path: string) => ['read', path] as const],
  ])('ends at %s, without an error', (_what, failing) => {
    mkdirSync(at('group'));
    expect(addon().runGroupCalls([failing(at('group')), ['set', at('limit'), 'never']])).toBeUndefined();
    expect(readFileSync(at('limit'), 'utf8')).toBe('unlimited');
  });

  it('ends at a value that the kernel does not take', () => {
    const calls = [
      ['try', '/proc/self/oom_score_adj', 'no number'],
      ['set', at('limit'), 'never'],
    ] as const;
    expect(addon().runGroupCalls(calls)).toBeUndefined();
    expect(readFileSync(at('limit'), 'utf8')).toBe('unlimited');
  });
});
