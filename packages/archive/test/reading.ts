import { type ErrorCode, isGantryError } from '@gantry/interface';
import { expect } from 'vitest';
import type { UnpackBudget } from '../src/budget.js';
import { readTar } from '../src/read-tar.js';
import type { TarHeader } from '../src/tar-entry.js';

export interface ReadEntry extends TarHeader {
  readonly content: Buffer;
}

/** The bytes, in chunks of that many. */
export async function* inChunks(bytes: Buffer, size = bytes.length || 1): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

/** Every entry with its whole body. */
export async function readAll(bytes: Buffer, chunk?: number, budget?: Partial<UnpackBudget>): Promise<ReadEntry[]> {
  const entries: ReadEntry[] = [];
  for await (const { body, ...header } of readTar(inChunks(bytes, chunk), { budget })) {
    const pieces: Uint8Array[] = [];
    for await (const piece of body) pieces.push(piece);
    entries.push({ ...header, content: Buffer.concat(pieces) });
  }
  return entries;
}

/** Names of all entries, as text. */
export async function readNames(bytes: Buffer, chunk?: number): Promise<string[]> {
  return (await readAll(bytes, chunk)).map(({ name }) => name.toString());
}

/** Expects a rejection with a GantryError of that code, and returns it. */
export async function expectError(promise: Promise<unknown>, code: ErrorCode, message?: RegExp): Promise<void> {
  const error = await promise.then(
    (value) => expect.fail(`resolved with ${JSON.stringify(value)}`),
    (reason: unknown) => reason,
  );
  if (!isGantryError(error)) throw error;
  expect(error).toMatchObject({ code });
  if (message) expect(error.message).toMatch(message);
}

/** All that comes from a stream. */
export async function collect(stream: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  for await (const piece of stream) pieces.push(piece);
  return Buffer.concat(pieces);
}

/** Names of an archive's entries, a character for a byte, and what hard links lead to. */
export async function entryNames(archive: AsyncIterable<Uint8Array>): Promise<string[]> {
  const names: string[] = [];
  for await (const { name, type, linkName } of readTar(archive)) {
    names.push(type === 'hardlink' ? `${name} = ${linkName}` : name.toString('latin1'));
  }
  return names;
}
