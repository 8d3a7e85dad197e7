import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { GantryError, throwIfAborted, toGantryError } from '@gantry/interface';

const maxBytes = 2 ** 20;

/** Deeper than any profile is. */
const maxDepth = 16;

/** Reads a profile of the host: a regular file, JSON, bounded. `INVALID_DOCUMENT` with `details.path` if it is not. */
export async function readProfileFile(path: string, signal?: AbortSignal): Promise<unknown> {
  throwIfAborted(signal, `reading the seccomp profile ${path}`);
  let file: FileHandle;
  try {
    // Neither waits for the other end of a pipe.
    file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    throw toGantryError(error, `reading the seccomp profile ${path}`);
  }
  await using _ = file;
  if (!(await file.stat()).isFile()) throw invalid(path, 'it is not a regular file');
  // One more than it may have, which tells whether it has more, whatever it grows to meanwhile.
  const { bytesRead, buffer } = await file.read(Buffer.alloc(maxBytes + 1), 0, maxBytes + 1, 0);
  if (bytesRead > maxBytes) throw invalid(path, `it has more than ${maxBytes} bytes`);
  const text = buffer.toString('utf8', 0, bytesRead);
  if (depthOf(text) > maxDepth) throw invalid(path, `it is nested deeper than ${maxDepth} levels`);
  try {
    return JSON.parse(text);
  } catch (error) {
    throw invalid(path, 'it is not JSON', error);
  }
}

function depthOf(text: string): number {
  let depth = 0;
  let deepest = 0;
  let inString = false;
  for (let at = 0; at < text.length; at++) {
    const sign = text[at];
    if (inString && sign === '\\') at++;
    else if (sign === '"') inString = !inString;
    else if (!inString && (sign === '[' || sign === '{')) deepest = Math.max(deepest, ++depth);
    else if (!inString && (sign === ']' || sign === '}')) depth--;
  }
  return deepest;
}

function invalid(path: string, why: string, cause?: unknown): GantryError {
  return new GantryError('INVALID_DOCUMENT', `the seccomp profile ${path}: ${why}`, {
    ...(cause === undefined ? {} : { cause }),
    details: { path },
  });
}
