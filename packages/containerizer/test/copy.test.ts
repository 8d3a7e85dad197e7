import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ProcessIdentity } from '@gantry/interface';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { copyFrom, copyInto } from '../src/copy.js';
import { readBootId } from '../src/owner.js';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'gantry-copy-'));
  await writeFile(join(folder, 'file'), 'the body of it');
});
afterEach(() => rm(folder, { recursive: true }));

async function identityOf(pid: number): Promise<ProcessIdentity> {
  const stat = await readFile(`/proc/${pid}/stat`, 'latin1');
  const startTime = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]);
  return { pid, startTime, bootId: readBootId() };
}

async function read(process: ProcessIdentity): Promise<string> {
  const pieces: Uint8Array[] = [];
  for await (const piece of copyFrom(process, join(folder, 'file'), {})) pieces.push(piece);
  return Buffer.concat(pieces).toString('latin1');
}

async function* noArchive(): AsyncGenerator<Uint8Array, void, undefined> {}

describe.skipIf(process.platform !== 'linux')('the root of a process (needs Linux)', () => {
  it('is what is read and written, and is let go of afterwards', async () => {
    const before = (await readdir('/proc/self/fd')).length;
    const self = await identityOf(process.pid);
    expect(await read(self)).toContain('the body of it');
    await expect(copyInto(self, join(folder, 'none'), noArchive(), {})).rejects.toMatchObject({ code: 'NOT_FOUND' });
    await copyInto(self, folder, noArchive(), {});
    expect((await readdir('/proc/self/fd')).length).toBe(before);
  });

  it('is never that of a process that came later, or of one that has ended', async () => {
    const self = await identityOf(process.pid);
    const ended = spawn('/bin/cat', { stdio: ['pipe', 'ignore', 'ignore'] });
    const identity = await identityOf(ended.pid ?? 0);
    ended.stdin.end();
    await once(ended, 'close');
    const before = (await readdir('/proc/self/fd')).length;
    for (const other of [
      { ...self, startTime: self.startTime - 1 },
      { ...self, bootId: '00000000-0000-0000-0000-000000000000' },
      identity,
    ]) {
      await expect(read(other)).rejects.toMatchObject({ code: 'WRONG_STATE', details: { pid: other.pid } });
      await expect(copyInto(other, folder, noArchive(), {})).rejects.toMatchObject({ code: 'WRONG_STATE' });
    }
    expect((await readdir('/proc/self/fd')).length).toBe(before);
  });
});
