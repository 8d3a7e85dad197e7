import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { errnoOf, GantryError, throwIfAborted, toGantryError } from '@gantry/interface';

const chunkBytes = 256 * 1024;

/** A regular file of the host that is open. */
export interface HostFile {
  readonly handle: FileHandle;
  readonly size: number;
}

/** Opens a file that the caller names. `NOT_FOUND` if it is absent, `INVALID_ARGUMENT` if it is a folder, a FIFO or a device. */
export async function openHostFile(path: string): Promise<HostFile> {
  // A FIFO would be waited for.
  const flags = constants.O_RDONLY | (constants.O_NONBLOCK ?? 0);
  let handle: FileHandle;
  try {
    handle = await open(path, flags);
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw toGantryError(error, path);
    throw new GantryError('NOT_FOUND', `${path}: no such file`, { cause: error, details: { path } });
  }
  const stat = await handle.stat();
  if (stat.isFile()) return { handle, size: stat.size };
  await handle.close();
  throw new GantryError('INVALID_ARGUMENT', `${path} is no regular file`, { details: { field: 'path', path } });
}

/** The bytes of an open file from its start; as often as it is called. */
export async function* readHostFile(
  handle: FileHandle,
  what: string,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array, void, undefined> {
  for (let position = 0; ; ) {
    throwIfAborted(signal, what);
    const { bytesRead, buffer } = await handle.read(Buffer.allocUnsafe(chunkBytes), 0, chunkBytes, position);
    if (bytesRead === 0) return;
    position += bytesRead;
    yield buffer.subarray(0, bytesRead);
  }
}
