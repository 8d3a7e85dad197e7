import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readDurable, writeDurably } from '../src/volume/durable-json.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gantry-durable-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

describe('a document that is to outlive a power cut', () => {
  it('is in place of the old, in folders that are made for it', async () => {
    const path = join(folder, 'a', 'b', 'document.json');
    expect(await readDurable(path)).toBeUndefined();
    for (const value of [1, 2]) await writeDurably(path, { value });
    expect(await readDurable(path)).toEqual({ value: 2 });
    expect(readdirSync(join(folder, 'a', 'b'))).toEqual(['document.json']);
  });

  it('leaves nothing behind where it cannot be put', async () => {
    const path = join(folder, 'taken');
    mkdirSync(path);
    await expect(writeDurably(path, {})).rejects.toMatchObject({ code: 'EISDIR' });
    expect(readdirSync(folder)).toEqual(['taken']);
  });
});
