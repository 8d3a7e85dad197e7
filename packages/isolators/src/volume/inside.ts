import { realpathSync } from 'node:fs';
import { errnoOf } from '@gantry/interface';
import { addon } from '@gantry/native';
import { refused } from '../errors.js';
import { rootOfContainers } from './host-source.js';

/** A folder `inside` (`a/b`, or `.`) of a folder `base` of the host, which others may write to. */
export interface FolderInside {
  readonly base: string;
  readonly inside: string;
  /** The two as one path. */
  readonly path: string;
  readonly field: string;
}

/**
 * What is at a path inside a folder, resolved as if that were `/`: a link planted there makes the launch fail, since what the
 * shim opens is another. `REFUSED` if it is no folder that is there.
 */
export function identityInside(isolator: string, { base, inside, field }: FolderInside): string {
  try {
    const reader = new (addon().TreeReader)(realpathSync(base), Buffer.from(inside));
    try {
      return reader.open(Buffer.alloc(0)).identity;
    } finally {
      reader.close();
    }
  } catch (cause) {
    throw refused(isolator, `${field}: ${inside} is no folder of ${base}`, 'make it first', {
      cause,
      details: { field, path: inside, errno: errnoOf(cause) },
    });
  }
}

/** Makes the folder, for all to write to, unless something is there. */
export function makeInside({ base, inside }: FolderInside): void {
  const root = new (addon().RootDirectory)(base, true);
  try {
    if (inside === '.') root.folder(Buffer.alloc(0), forAll());
    else if (!isThere(base, inside)) root.folder(Buffer.from(inside), forAll());
  } finally {
    root.close();
  }
}

function isThere(base: string, inside: string): boolean {
  try {
    new (addon().TreeReader)(base, Buffer.from(inside)).close();
    return true;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return false;
    throw error;
  }
}

function forAll() {
  const mtimeSeconds = Math.floor(Date.now() / 1000);
  return { mode: 0o777, ...rootOfContainers, mtimeSeconds, mtimeNanoseconds: 0, xattrs: [] };
}
