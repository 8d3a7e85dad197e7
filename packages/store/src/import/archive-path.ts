import { GantryError } from '@gantry/interface';

/** Longer names mean nothing in any of these formats, and every name of an archive is kept while it is read. */
const maxNameBytes = 512;

/**
 * A name in an archive of images as a path below its root, without `.` and doubled slashes; empty for the root. Nothing
 * is ever written by such a name, but `INVALID_ARCHIVE` for one with `..` or over 512 bytes: no writer of images makes any.
 */
export function archivePath(archive: string, name: Uint8Array): string {
  const text = Buffer.from(name.buffer, name.byteOffset, Math.min(name.byteLength, maxNameBytes)).toString('utf8');
  if (name.byteLength > maxNameBytes) throw invalidEntry(archive, text, `a name of ${name.byteLength} bytes`);
  const parts = partsOf(text);
  if (parts.includes('..')) throw invalidEntry(archive, text, "a name with '..' in it");
  return parts.join('/');
}

/** What a link leads to, below the root of the archive; undefined if that is outside it. */
export function linkTarget(from: string, target: string): string | undefined {
  const parts = target.startsWith('/') ? [] : from.split('/').slice(0, -1);
  for (const part of partsOf(target)) {
    if (part !== '..') parts.push(part);
    else if (parts.pop() === undefined) return undefined;
  }
  return parts.join('/');
}

/** The `INVALID_ARCHIVE` error about one entry of an archive of images. */
export function invalidEntry(archive: string, entry: string, problem: string): GantryError {
  return new GantryError('INVALID_ARCHIVE', `${archive}: entry ${JSON.stringify(entry.slice(0, 200))}: ${problem}`, {
    details: { entry },
  });
}

function partsOf(path: string): string[] {
  return path.split('/').filter((part) => part !== '' && part !== '.');
}
