import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readTar } from '../src/read-tar.js';
import { expectError, inChunks, readAll } from './reading.js';
import { isRoot, needsRoot, Sandbox } from './sandbox.js';
import { type Attack, rows } from './unpack-table.js';

/** One test a row of the table of attacks on unpacking, for the reader and for the whole. */
const readable = rows.filter(({ attacks = [] }) => attacks.length > 0);

describe.each(readable)('reading: $trigger', { timeout: 30_000 }, ({ attacks = [] }) => {
  it.each(attacks.map((attack, i) => [i + 1, attack] as const))('archive %i', async (_, { bytes, read, budget }) => {
    if (read) await expectError(readAll(bytes, undefined, budget), read);
    else for await (const { name } of readTar(inChunks(bytes), { budget })) expect(name.length).toBeGreaterThan(0);
  });
});

describe.skipIf(!isRoot)(`unpacking (${needsRoot})`, { timeout: 60_000 }, () => {
  let sandbox: Sandbox;
  beforeEach(async () => {
    sandbox = await Sandbox.create();
  });
  // It checks that nothing beside the target was touched.
  afterEach(() => sandbox.close());

  async function suffer({ bytes, apply, budget }: Attack): Promise<void> {
    await sandbox.close();
    sandbox = await Sandbox.create();
    const unpacking = sandbox.apply(bytes, budget ? { budget } : {});
    if (typeof apply === 'string') return expectError(unpacking, apply);
    await unpacking;
    await apply(sandbox);
  }

  it.each(rows)('$trigger: $right', async ({ attacks = [], act }) => {
    expect(attacks.length + (act ? 1 : 0)).toBeGreaterThan(0);
    for (const attack of attacks) await suffer(attack);
    await sandbox.close();
    sandbox = await Sandbox.create();
    await act?.(sandbox);
  });
});
