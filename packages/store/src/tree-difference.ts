import { type BigIntStats, constants } from 'node:fs';
import { type FileHandle, lstat, open, readdir, readlink } from 'node:fs/promises';
import { errnoOf } from '@gantry/interface';

const chunkBytes = 256 * 1024;
const slash = Buffer.from('/');

/**
 * The first difference of two folders, in words, or undefined if there is none: names, types, modes, owners, times of
 * modification, sizes, devices, links and content. Extended attributes are not looked at, nor what is deeper than a path can be long.
 */
export async function treeDifference(
  left: string,
  right: string,
  throwIfStopped: () => void,
): Promise<string | undefined> {
  const pending = [Buffer.alloc(0)];
  for (let path = pending.pop(); path !== undefined; path = pending.pop()) {
    throwIfStopped();
    const places: [Buffer, Buffer] = [below(left, path), below(right, path)];
    const stats = await both(places, (place) => orUndefined(lstat(place, { bigint: true })));
    const reason = await entryDifference(places, stats);
    if (reason) return `${path.length === 0 ? 'the root' : path.subarray(1).toString()}: ${reason}`;
    if (!stats[0]?.isDirectory()) continue;
    const [names, others] = await both(places, namesIn);
    for (const name of names) pending.push(Buffer.concat([path, slash, Buffer.from(name, 'latin1')]));
    const extra = others.find((name) => !names.includes(name)) ?? names.find((name) => !others.includes(name));
    if (extra !== undefined) return `${below('', path).subarray(1)}/${extra}: it is in one place only`;
  }
  return undefined;
}

async function entryDifference(
  places: readonly [Buffer, Buffer],
  [one, other]: readonly [BigIntStats | undefined, BigIntStats | undefined],
): Promise<string | undefined> {
  if (!one || !other) return one || other ? 'it is in one place only' : undefined;
  if (one.mode !== other.mode) return `mode ${one.mode.toString(8)} instead of ${other.mode.toString(8)}`;
  if (one.uid !== other.uid || one.gid !== other.gid) return 'another owner';
  if (one.mtimeNs !== other.mtimeNs) return 'another time of modification';
  if (one.rdev !== other.rdev) return 'another device';
  if (one.isSymbolicLink()) {
    const [target, wanted] = await both(places, (place) => readlink(place, { encoding: 'buffer' }));
    return target.equals(wanted) ? undefined : 'it links to something else';
  }
  if (!one.isFile()) return undefined;
  if (one.size !== other.size) return `${one.size} bytes instead of ${other.size}`;
  if (one.nlink !== other.nlink) return 'another number of hard links';
  return (await haveSameContent(places)) ? undefined : 'other content';
}

async function haveSameContent([left, right]: readonly [Buffer, Buffer]): Promise<boolean> {
  const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
  const one = await open(left, flags);
  try {
    const other = await open(right, flags);
    try {
      return await readSame(one, other);
    } finally {
      await other.close();
    }
  } finally {
    await one.close();
  }
}

async function readSame(one: FileHandle, other: FileHandle): Promise<boolean> {
  for (;;) {
    const [mine, theirs] = await both([one, other], async (file) => {
      const { bytesRead, buffer } = await file.read(Buffer.allocUnsafe(chunkBytes), 0, chunkBytes);
      return buffer.subarray(0, bytesRead);
    });
    if (!mine.equals(theirs)) return false;
    if (mine.length === 0) return true;
  }
}

/** A character for a byte: names need not be UTF-8. */
async function namesIn(path: Buffer): Promise<readonly string[]> {
  return (await orUndefined(readdir(path, 'latin1'))) ?? [];
}

async function orUndefined<T>(result: Promise<T>): Promise<T | undefined> {
  try {
    return await result;
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === 'ENOENT' || errno === 'ENAMETOOLONG') return undefined;
    throw error;
  }
}

async function both<A, B>([left, right]: readonly [A, A], ask: (item: A) => Promise<B>): Promise<[B, B]> {
  return [await ask(left), await ask(right)];
}

function below(root: string, path: Buffer): Buffer {
  return Buffer.concat([Buffer.from(root), path]);
}
