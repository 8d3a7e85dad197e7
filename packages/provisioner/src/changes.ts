import { lstat } from 'node:fs/promises';
import { diffLayer } from '@gantry/archive';
import { type CallOptions, errnoOf, GantryError, toGantryError } from '@gantry/interface';
import type { ContainerFolder } from './container-folder.js';

/** Streams what a container's overlay keeps of its changes as a layer archive. What is there tells which backend made the root. */
export async function* changesOf(
  container: ContainerFolder,
  id: string,
  userxattr: boolean,
  { signal }: CallOptions,
): AsyncIterable<Uint8Array> {
  const what = `changes of container ${id}`;
  try {
    if (!(await exists(container.folder))) {
      throw new GantryError('NOT_FOUND', `container ${id} has no root here`, { details: { id } });
    }
    if (!(await exists(container.upper))) throw unsupported(id, await exists(container.copy));
    yield* diffLayer({ upper: container.upper, userXattr: userxattr, ...(signal ? { signal } : {}) });
  } catch (error) {
    throw toGantryError(error, what);
  }
}

function unsupported(id: string, isCopy: boolean): GantryError {
  const why = isCopy
    ? 'a copy does not tell what was changed in it'
    : 'its root is a folder of the host, or a read-only layer';
  return new GantryError('UNSUPPORTED', `changes of container ${id}: ${why}; use the overlay backend`, {
    details: { id },
  });
}

async function exists(path: string): Promise<boolean> {
  try {
    await lstat(path);
    return true;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return false;
    throw error;
  }
}
