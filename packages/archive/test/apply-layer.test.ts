import { execFile, execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { symlink as makeLink, mkdir, readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import * as zlib from 'node:zlib';
import { applyLayer, removeTree } from '@gantry/archive';
import type { ProgressEvent } from '@gantry/interface';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { archive, file, folder, pax } from './archive-builder.js';
import { prose } from './contents.js';
import { expectError } from './reading.js';
import { digestOf, gzipType, isRoot, needsRoot, plainType, Sandbox } from './sandbox.js';
import { storedFrame } from './zstd-frame.js';

const noise = Buffer.alloc(3_000_000);
for (let i = 0; i < noise.length; i += 4) noise.writeUInt32LE(Math.imul(i + 1, 2654435761) >>> 0, i);

/** Large enough to be under way when something happens to it. */
const large = archive(...Array.from({ length: 20 }, (_, i) => file(`f${i}`, noise)));

describe('applyLayer', () => {
  const options = { blobPath: '/nowhere', mediaType: plainType, diffId: digestOf(large), target: '/nowhere' };

  it('checks its arguments first', async () => {
    await expectError(applyLayer({ ...options, diffId: 'sha256:../../x' }), 'INVALID_ARGUMENT', /diffId/);
    await expectError(applyLayer({ ...options, diffId: 'md5:00' as 'sha256:' }), 'INVALID_ARGUMENT', /diffId/);
    await expectError(applyLayer({ ...options, mediaType: 'text/plain' }), 'UNSUPPORTED', /text\/plain/);
    await expectError(applyLayer({ ...options, budget: { bytes: Number.NaN } }), 'INVALID_ARGUMENT', /budget\.bytes/);
  });
});

describe.skipIf(!isRoot)(`applyLayer (${needsRoot})`, { timeout: 30_000 }, () => {
  let sandbox: Sandbox;
  beforeEach(async () => {
    sandbox = await Sandbox.create();
  });
  afterEach(() => sandbox.close());

  async function applyGzip(bytes: Buffer, blob = zlib.gzipSync(bytes, { level: 1 }), mediaType = gzipType) {
    const blobPath = await sandbox.put('blob', blob);
    return applyLayer({ blobPath, mediaType, diffId: digestOf(bytes), target: sandbox.target });
  }

  it('unpacks a compressed layer and counts', async () => {
    const bytes = archive(folder('d'), file('d/a', noise), file('d/b', ''));
    expect(await applyGzip(bytes)).toEqual({ entries: 3, bytes: noise.length });
    expect((await readFile(sandbox.path('d/a'))).equals(noise)).toBe(true);
    expect((await stat(sandbox.path('d/b'))).size).toBe(0);
  });

  it('verifies sha512, too', async () => {
    const bytes = archive(file('a'));
    await sandbox.apply(bytes, { diffId: digestOf(bytes, 'sha512') });
    expect(await readdir(sandbox.target)).toEqual(['a']);
  });

  it('goes by the bytes where the media type is wrong about the compression', async () => {
    expect(await applyGzip(archive(file('a')), zlib.gzipSync(archive(file('a'))), plainType)).toMatchObject({
      entries: 1,
    });
  });

  it('unpacks a zstd layer, whether or not Node.js knows zstd', async () => {
    const bytes = archive(file('prose', prose(6000)));
    const body = readFileSync(join(import.meta.dirname, 'samples', 'prose-19.zst'));
    const blob = Buffer.concat([storedFrame(bytes.subarray(0, 512)), body, storedFrame(bytes.subarray(512 + 6000))]);
    const zstdType = 'application/vnd.oci.image.layer.v1.tar+zstd';
    expect(await applyGzip(bytes, blob, zstdType)).toEqual({ entries: 1, bytes: 6000 });
    expect((await readFile(sandbox.path('prose'))).equals(prose(6000))).toBe(true);
  });

  it('hashes what is behind the end mark as well', async () => {
    const bytes = Buffer.concat([archive(file('a')), Buffer.from('tail')]);
    expect(await sandbox.apply(bytes)).toMatchObject({ entries: 1 });
  });

  it.each([
    ['whose bytes are others', archive(file('b')), 'DIGEST_MISMATCH'],
    ['cut at a header', archive(file('a')).subarray(0, 1024), 'DIGEST_MISMATCH'],
    ['cut in a body', archive(file('a')).subarray(0, 700), 'DIGEST_MISMATCH'],
    ['that is no archive', Buffer.alloc(10_000, 'not a tar archive '), 'INVALID_ARCHIVE'],
  ] as const)('refuses a layer %s', async (_, bytes, code) => {
    await expectError(applyGzip(archive(file('a')), zlib.gzipSync(bytes)), code);
  });

  it('refuses a layer cut in a body even if its digest is right', async () => {
    const cut = archive(file('a', 'x'.repeat(1000))).subarray(0, 700);
    await expectError(sandbox.apply(cut), 'INVALID_ARCHIVE', /"a".*cut short/);
  });

  it('refuses a bomb', async () => {
    const zeros = archive(file('zeros', Buffer.alloc(20_000_000)));
    const blobPath = await sandbox.put('blob', zlib.gzipSync(zeros, { level: 9 }));
    const options = { blobPath, mediaType: gzipType, diffId: digestOf(zeros), target: sandbox.target };
    await expectError(applyLayer({ ...options, budget: { ratio: 500 } }), 'LIMIT_EXCEEDED', /budget\.ratio/);
    await removeTree(sandbox.target);
    await mkdir(sandbox.target);
    await expectError(applyLayer({ ...options, budget: { bytes: 10_000_000 } }), 'LIMIT_EXCEEDED', /budget\.bytes/);
    await removeTree(sandbox.target);
    await mkdir(sandbox.target);
    // Nothing but zeros is no bomb by itself: gzip cannot pass the default ratio.
    expect(await applyLayer(options)).toMatchObject({ bytes: 20_000_000 });
  });

  it('reports progress, not too often, up to the end', async () => {
    const events: ProgressEvent[] = [];
    const started = performance.now();
    await sandbox.apply(large, { onProgress: (event) => events.push(event) });
    const elapsed = performance.now() - started;
    const last = events.at(-1);
    expect(last).toEqual({ type: 'unpacking', digest: digestOf(large), current: large.length, total: large.length });
    expect(events.length).toBeLessThan(elapsed / 50 + 3);
    const seen = events.map((event) => (event.type === 'unpacking' ? event.current : Number.NaN));
    expect(seen).toEqual([...seen].sort((a, b) => a - b));
  });

  it('does not hold the event loop', async () => {
    const blobPath = await sandbox.put('blob', zlib.gzipSync(large, { level: 1 }));
    const options = { blobPath, mediaType: gzipType, diffId: digestOf(large), target: sandbox.target };
    const started = performance.now();
    const before = performance.eventLoopUtilization();
    await applyLayer(options);
    const { active } = performance.eventLoopUtilization(before);
    expect(active).toBeLessThan((performance.now() - started) / 4);
  });

  it('stops when aborted, before, in the middle, or while it waits its turn', async () => {
    await expectError(sandbox.apply(large, { signal: AbortSignal.abort() }), 'ABORTED');
    const controller = new AbortController();
    const reason = new Error('changed my mind');
    const onProgress = () => controller.abort(reason);
    const aborted = sandbox.apply(large, { signal: controller.signal, onProgress });
    await expect(aborted).rejects.toMatchObject({ code: 'ABORTED', cause: reason });
    // The thread has ended, so the target is the caller's to remove.
    await removeTree(sandbox.target);
    await mkdir(sandbox.target);

    // More calls than threads, so that some are under way and some wait when the first of them reports.
    const blobPath = await sandbox.put('blob', large);
    const sandboxes = await Promise.all(Array.from({ length: 20 }, () => Sandbox.create()));
    const late = new AbortController();
    const options = { blobPath, mediaType: plainType, diffId: digestOf(large), signal: late.signal };
    const calls = sandboxes.map(({ target }) => applyLayer({ ...options, target, onProgress: () => late.abort() }));
    for (const outcome of await Promise.allSettled(calls)) {
      expect(outcome).toMatchObject({ status: 'rejected', reason: { code: 'ABORTED' } });
    }
    await Promise.all(sandboxes.map((each) => each.close()));
    expect(await sandbox.apply(archive(file('after')))).toMatchObject({ entries: 1 });
  });

  it('can be aborted at any moment, also within a call of the addon', async () => {
    const attributes = pax([['SCHILY.xattr.trusted.x', 'y']]);
    const blobPath = await sandbox.put(
      'blob',
      archive(...Array.from({ length: 2000 }, () => [attributes, file('a/b')]).flat()),
    );
    const diffId = digestOf(await readFile(blobPath));
    for (let i = 0; i < 40; i++) {
      const target = sandbox.path(String(i));
      await mkdir(target);
      const call = applyLayer({ blobPath, mediaType: plainType, diffId, target, signal: AbortSignal.timeout(i) });
      await call.catch((error) => expect(error).toMatchObject({ code: 'ABORTED' }));
    }
  });

  it('unpacks many layers at once', async () => {
    const sandboxes = await Promise.all(Array.from({ length: 12 }, () => Sandbox.create()));
    const bytes = archive(file('a'), file('b', noise));
    const results = await Promise.all(sandboxes.map((each) => each.apply(bytes)));
    expect(results.map(({ entries }) => entries)).toEqual(sandboxes.map(() => 2));
    await Promise.all(sandboxes.map((each) => each.close()));
  });

  it('does not wait for a blob that is a FIFO, nor follow one that is a link, nor use one that is not there', async () => {
    const blob = await sandbox.put('blob', archive(file('a')));
    const fifo = `${blob}-fifo`;
    execFileSync('mkfifo', [fifo]);
    await makeLink(blob, `${blob}-link`);
    const options = { mediaType: plainType, diffId: digestOf(archive(file('a'))), target: sandbox.target };
    await expectError(applyLayer({ ...options, blobPath: fifo }), 'INVALID_ARGUMENT', /regular/);
    await expectError(applyLayer({ ...options, blobPath: `${blob}-link` }), 'SYSTEM', /ELOOP/);
    await expectError(applyLayer({ ...options, blobPath: `${blob}-none` }), 'SYSTEM', /ENOENT/);
    await expectError(applyLayer({ ...options, blobPath: blob, target: '/nowhere' }), 'SYSTEM', /ENOENT/);
  });

  it('refuses a target that is not empty', async () => {
    await sandbox.apply(archive(file('a')));
    await expectError(sandbox.apply(archive(file('b'))), 'INVALID_ARGUMENT', /not empty/);
    expect(await readdir(sandbox.target)).toEqual(['a']);
  });

  it('keeps no process alive, and no descriptor open', async () => {
    const blob = await sandbox.put('blob', archive(file('a')));
    const script = `
      import { mkdirSync, readdirSync } from 'node:fs';
      import { applyLayer } from '@gantry/archive';
      const [blobPath, diffId, target] = process.argv.slice(1);
      const unpack = async (diffId, target) => {
        mkdirSync(target);
        await applyLayer({ blobPath, mediaType: '${plainType}', diffId, target }).catch(({ code }) => console.log(code));
        return readdirSync('/proc/self/fd').length;
      };
      const before = await unpack(diffId, target + '-1');
      const after = await unpack(diffId.replace(/.$/, (digit) => (digit === '0' ? '1' : '0')), target + '-2');
      console.log(after - before);`;
    const args = ['--input-type=module', '-e', script, blob, digestOf(archive(file('a'))), sandbox.target];
    const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: import.meta.dirname, timeout: 20_000 });
    expect(stdout).toBe('DIGEST_MISMATCH\n0\n');
  });
});

describe('removeTree', () => {
  it.skipIf(!isRoot)(`removes a tree without following links, and is idempotent (${needsRoot})`, async () => {
    const sandbox = await Sandbox.create();
    await sandbox.apply(archive(folder('d'), file('d/f'), folder('d/e')));
    await makeLink(sandbox.victim, sandbox.path('d/link'));
    await removeTree(sandbox.path('d'));
    expect(await readdir(sandbox.target)).toEqual([]);
    await removeTree(sandbox.path('d'));
    await removeTree(join(sandbox.target, 'no', 'such', 'folder'));
    await sandbox.close();
  });
});
