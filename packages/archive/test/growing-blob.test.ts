import { randomFillSync } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { type FileHandle, mkdir, open, readFile, stat } from 'node:fs/promises';
import { getPriority } from 'node:os';
import { gzipSync } from 'node:zlib';
import { applyLayer, createGrowingBlob, maxUnpacking, removeTree } from '@gantry/archive';
import type { CallOptions } from '@gantry/interface';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { GrowingBlobReader, isStillGrowing } from '../src/growing-blob.js';
import { archive, file } from './archive-builder.js';
import { expectError } from './reading.js';
import { digestOf, gzipType, isRoot, needsRoot, plainType, Sandbox } from './sandbox.js';

describe('createGrowingBlob', () => {
  it('shows its readers how far the writer is', () => {
    const blob = createGrowingBlob(100);
    const reader = new GrowingBlobReader(blob.handle);
    expect(reader.extent()).toEqual({ available: 0, isComplete: false });
    blob.advance(40);
    blob.advance(30);
    expect(reader.waitBeyond(39)).toEqual({ available: 40, isComplete: false });
    blob.end();
    blob.advance(50);
    expect(reader.waitBeyond(40)).toEqual({ available: 40, isComplete: true });
    blob.fail();
    blob.advance(60);
    blob.end();
    expect(() => reader.extent()).toThrow(expect.objectContaining({ code: 'CLOSED' }));
    expect(() => reader.waitBeyond(0)).toThrow(expect.objectContaining({ code: 'CLOSED' }));
  });

  it('grows until it ends or fails', () => {
    const [ended, failed] = [createGrowingBlob(10), createGrowingBlob(10)];
    for (const { handle } of [ended, failed]) expect(isStillGrowing(handle)).toBe(true);
    ended.advance(10);
    expect(isStillGrowing(ended.handle)).toBe(true);
    ended.end();
    failed.fail();
    for (const { handle } of [ended, failed]) expect(isStillGrowing(handle)).toBe(false);
  });

  it('refuses a size that is none', () => {
    for (const size of [-1, 0.5, Number.NaN, 2 ** 53]) {
      expect(() => createGrowingBlob(size)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
    }
  });
});

/** Compresses nothing: a zstd frame of raw blocks. RFC 8878, 3.1.1. */
function zstdOf(bytes: Buffer): Buffer {
  const head = Buffer.from('28b52ffda000000000', 'hex');
  head.writeUInt32LE(bytes.length, 5);
  const parts: Uint8Array[] = [head];
  for (let at = 0; at < bytes.length; at += 65_536) {
    const block = bytes.subarray(at, at + 65_536);
    const blockHead = Buffer.alloc(3);
    blockHead.writeUIntLE((block.length << 3) | (at + block.length === bytes.length ? 1 : 0), 0, 3);
    parts.push(blockHead, block);
  }
  return Buffer.concat(parts);
}

describe.skipIf(!isRoot)(`applyLayer of a growing blob (${needsRoot})`, { timeout: 30_000 }, () => {
  const noise = randomFillSync(Buffer.alloc(2_000_000));
  const layer = archive(file('a', noise), file('b', noise), file('c', 'end'));
  let sandbox: Sandbox;
  let writer: FileHandle;
  let blobPath: string;

  beforeEach(async () => {
    sandbox = await Sandbox.create();
    // What is not announced yet is not there yet: a reader that goes beyond takes these for the layer.
    blobPath = await sandbox.put('blob', Buffer.alloc(layer.length + 10_000, 'not yet written'));
    writer = await open(blobPath, 'r+');
  });
  afterEach(async () => {
    await writer.close();
    await sandbox.close();
  });

  /** Starts to unpack. */
  function start(size: number, mediaType = gzipType, options: CallOptions = {}) {
    const blob = createGrowingBlob(size);
    const growing = blob.handle;
    const call = { ...options, blobPath, mediaType, diffId: digestOf(layer), target: sandbox.target, growing };
    const result = applyLayer(call);
    result.catch(() => undefined);
    return { blob, result };
  }

  /** Resolves once the layer's first file is there, and whole. */
  const unpacked = () => vi.waitFor(async () => expect((await stat(sandbox.path('a'))).size).toBe(noise.length));

  it.each([
    ['gzip', gzipType, gzipSync(layer, { level: 1 })],
    ['no compression', plainType, layer],
    ['zstd', 'application/vnd.oci.image.layer.v1.tar+zstd', zstdOf(layer)],
  ])('unpacks what is there and waits for the rest: %s', async (_, mediaType, bytes) => {
    const { blob, result } = start(bytes.length, mediaType);
    let at = 0;
    for (const end of [2, 3, 1000, 1_000_000, 3_000_000]) {
      await writer.write(bytes, at, end - at, at);
      at = end;
      blob.advance(at);
    }
    // Only then is the rest written, so it went ahead without it.
    await unpacked();
    await writer.write(bytes, at, bytes.length - at, at);
    blob.advance(bytes.length);
    blob.end();
    expect(await result).toEqual({ entries: 3, bytes: 2 * noise.length + 3 });
    expect((await readFile(sandbox.path('b'))).equals(noise)).toBe(true);
  });

  it('fails when the writer gives up, at once or in the middle, and works again after', async () => {
    const gzip = gzipSync(layer, { level: 1 });
    const early = start(gzip.length);
    early.blob.fail();
    await expectError(early.result, 'CLOSED', /given up/);
    await writer.write(gzip, 0, 3_000_000, 0);
    const late = start(gzip.length);
    late.blob.advance(3_000_000);
    await unpacked();
    late.blob.fail();
    await expectError(late.result, 'CLOSED', /given up/);

    await removeTree(sandbox.target);
    await mkdir(sandbox.target);
    await writer.write(gzip, 0, gzip.length, 0);
    const again = start(gzip.length);
    again.blob.advance(gzip.length);
    again.blob.end();
    expect(await again.result).toMatchObject({ entries: 3 });
  });

  it('refuses a blob that ends too early', async () => {
    const gzip = gzipSync(layer, { level: 1 });
    await writer.write(gzip, 0, gzip.length, 0);
    const { blob, result } = start(gzip.length);
    blob.advance(gzip.length - 1);
    blob.end();
    await expectError(result, 'INVALID_ARCHIVE', /cut short/);
  });

  it.each([gzipType, plainType])('can be aborted while it waits: %s', async (mediaType) => {
    const controller = new AbortController();
    const { blob, result } = start(layer.length, mediaType, { signal: controller.signal });
    const bytes = mediaType === gzipType ? gzipSync(layer, { level: 1 }) : layer;
    await writer.write(bytes, 0, 3_000_000, 0);
    blob.advance(3_000_000);
    await unpacked();
    const reason = new Error('changed my mind');
    controller.abort(reason);
    await expect(result).rejects.toMatchObject({ code: 'ABORTED', cause: reason });
  });

  it('counts the ratio against the size of the whole blob', async () => {
    const zeros = archive(file('zeros', Buffer.alloc(40_000_000)));
    const gzip = gzipSync(zeros, { level: 9 });
    await writer.write(gzip, 0, gzip.length, 0);
    for (const [size, code] of [
      [gzip.length, undefined],
      [Math.floor(gzip.length / 2), 'LIMIT_EXCEEDED'],
    ] as const) {
      const blob = createGrowingBlob(size);
      blob.advance(gzip.length);
      blob.end();
      const options = { blobPath, mediaType: gzipType, diffId: digestOf(zeros), target: sandbox.target };
      const result = applyLayer({ ...options, growing: blob.handle });
      if (code) await expectError(result, code, /budget\.ratio/);
      else expect(await result).toMatchObject({ bytes: 40_000_000 });
      await removeTree(sandbox.target);
      await mkdir(sandbox.target);
    }
  });

  it('keeps no blob waiting that is there', async () => {
    const folders = Array.from({ length: maxUnpacking + 1 }, (_, index) => sandbox.path(`${index}`));
    for (const folder of folders) await mkdir(folder, 0o700);
    const [whole = '', ...others] = folders;
    const complete = await sandbox.put('blob-complete', layer);
    const options = { mediaType: plainType, diffId: digestOf(layer) };
    const blobs = others.map(() => createGrowingBlob(layer.length));
    const coming = others.map((target, index) =>
      applyLayer({ ...options, blobPath, target, growing: blobs[index]?.handle ?? expect.fail() }),
    );
    await applyLayer({ ...options, blobPath: complete, target: whole });
    for (const blob of blobs) blob.fail();
    for (const result of coming) await expectError(result, 'CLOSED');
  });

  it('gives way to the host program, and to other layers if it is to', async () => {
    const own = getPriority();
    // Of this process's threads: field 19 of proc_pid_stat(5), counted after the name.
    const priorities = () =>
      readdirSync('/proc/self/task').map((thread) => {
        const stat = readFileSync(`/proc/self/task/${thread}/stat`, 'latin1');
        return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[16]);
      });
    for (const yields of [true, false, true]) {
      const blob = createGrowingBlob(layer.length);
      const options = { blobPath, mediaType: plainType, diffId: digestOf(layer), target: sandbox.target };
      const result = applyLayer({ ...options, growing: blob.handle, yields });
      blob.advance(1);
      await expect.poll(priorities).toContain(Math.min(19, own + (yields ? 15 : 5)));
      expect(getPriority()).toBe(own);
      blob.fail();
      await expectError(result, 'CLOSED');
    }
  });
});
