import { appendFileSync, mkdtempSync, renameSync, rmSync, unlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createLauncher } from '../src/index.js';

const line = (text: string, stream = 'stdout', tag = 'F') =>
  `2026-01-02T03:04:05.000000001Z ${stream} ${tag} ${text}\n`;

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gantry-log-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

const write = (name: string, text: string) => writeFileSync(join(folder, name), text);

/** As the shim rotates: `log` becomes `log.1`, and so on, nothing removed. */
function rotate(files: number) {
  for (let number = files; number > 0; number--) {
    renameSync(join(folder, number > 1 ? `log.${number - 1}` : 'log'), join(folder, `log.${number}`));
  }
}

async function read(options = {}): Promise<string[]> {
  const entries: string[] = [];
  for await (const { data } of createLauncher().readLog(folder, options)) entries.push(Buffer.from(data).toString());
  return entries;
}

describe('reading the log of a state folder', () => {
  it('goes through the rotated files, oldest first', async () => {
    write('log.10', line('a') + line('b', 'stdout', 'P'));
    write('log.9', line('c'));
    write('log.1', line('d', 'stderr'));
    write('log', line('e'));
    expect(await read()).toEqual(['a\n', 'b', 'c\n', 'd\n', 'e\n']);
    expect(await read({ stream: 'stderr' })).toEqual(['d\n']);
  });

  it('is empty without a log, and tells a folder that is not there', async () => {
    expect(await read()).toEqual([]);
    await expect(createLauncher().readLog(join(folder, 'no'))[Symbol.asyncIterator]().next()).rejects.toMatchObject({
      code: 'NOT_FOUND',
    });
    const follow = createLauncher().readLog(join(folder, 'no'), { follow: true });
    await expect(follow[Symbol.asyncIterator]().next()).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });

  it('gives the last lines only, each whole, and those of some time on', async () => {
    const text = Array.from({ length: 5000 }, (_, index) => line(String(index))).join('');
    write('log.1', text);
    write('log', line('out-', 'stdout', 'P') + line('err-', 'stderr', 'P') + line('err', 'stderr') + line('put'));
    expect(await read({ tail: 0 })).toEqual([]);
    expect(await read({ tail: 1 })).toEqual(['out-', 'put\n']);
    expect(await read({ tail: 2 })).toEqual(['out-', 'err-', 'err\n', 'put\n']);
    expect(await read({ tail: 3 })).toEqual(['4999\n', 'out-', 'err-', 'err\n', 'put\n']);
    expect(await read({ tail: 4000 })).toHaveLength(4002);
    expect((await read({ tail: 4000 }))[0]).toBe('1002\n');
    expect(await read({ tail: 9000 })).toHaveLength(5004);
    expect(await read({ tail: 1, stream: 'stderr' })).toEqual(['err-', 'err\n']);
    write('log', `${line('early')}${line('late').replace('03:04:05', '03:04:06')}`);
    const since = Date.parse('2026-01-02T03:04:06Z');
    expect(await read({ since })).toEqual(['late\n']);
    expect(await read({ since, tail: 5 })).toEqual(['late\n']);
    for (const tail of [-1, 1.5, Number.NaN]) {
      await expect(read({ tail })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', details: { field: 'tail' } });
    }
  });

  it('leaves out a torn last line', async () => {
    write('log', `${line('a')}2026-01-02T03:04:05.000000001Z std`);
    expect(await read()).toEqual(['a\n']);
  });

  it('misses nothing when files are rotated while it reads', async () => {
    write('log', line('0'));
    const seen: string[] = [];
    for await (const { data } of createLauncher().readLog(folder)) {
      seen.push(Buffer.from(data).toString().trim());
      const round = seen.length;
      if (round > 8) continue;
      rotate(round);
      // A shim may still write to a file that it has just renamed.
      if (round % 3 === 0) appendFileSync(join(folder, 'log.1'), line(`${round} late`));
      write('log', line(`${round}`));
    }
    expect(seen).toEqual(['0', '1', '2', '3 late', '3', '4', '5', '6 late', '6', '7', '8']);
  });

  it('tells that the next file was removed unread', async () => {
    write('log.2', line('a'));
    write('log.1', line('b'));
    write('log', line('c'));
    const seen: string[] = [];
    const reading = async () => {
      for await (const { data } of createLauncher().readLog(folder)) {
        seen.push(Buffer.from(data).toString().trim());
        for (const name of ['log.2', 'log.1']) unlinkSync(join(folder, name));
      }
    };
    await expect(reading()).rejects.toMatchObject({ code: 'LIMIT_EXCEEDED' });
    expect(seen).toEqual(['a']);
  });

  it('goes on behind a position, in whichever file that is by now', async () => {
    write('log', line('a') + line('b'));
    const positions: string[] = [];
    for await (const { position } of createLauncher().readLog(folder)) positions.push(position);
    renameSync(join(folder, 'log'), join(folder, 'log.1'));
    write('log', line('c'));
    expect(await read({ from: positions[0] ?? '' })).toEqual(['b\n', 'c\n']);
    unlinkSync(join(folder, 'log.1'));
    await expect(read({ from: positions[0] ?? '' })).rejects.toMatchObject({ code: 'NOT_FOUND' });
    await expect(read({ from: 'nonsense' })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  });

  it('reads the two files of the plain format, which have no times', async () => {
    write('stdout', 'one\ntwo');
    write('stderr', 'error\n');
    expect(await read({})).toEqual(['one\n', 'two', 'error\n']);
    expect(await read({ stream: 'stderr' })).toEqual(['error\n']);
    await expect(read({ since: 0 })).rejects.toMatchObject({ code: 'UNSUPPORTED' });
    const positions: string[] = [];
    for await (const { position } of createLauncher().readLog(folder)) positions.push(position);
    expect(await read({ from: positions[0] ?? '' })).toEqual(['two', 'error\n']);
    expect(await read({ from: positions[1] ?? '' })).toEqual(['error\n']);
  });

  it('ends a follow at once where there is no shim', async () => {
    write('log', line('a'));
    expect(await read({ follow: true })).toEqual(['a\n']);
  });

  it('stops when its signal fires', async () => {
    write('log', line('a'));
    await expect(read({ signal: AbortSignal.abort('enough') })).rejects.toMatchObject({
      code: 'ABORTED',
      cause: 'enough',
    });
  });
});
