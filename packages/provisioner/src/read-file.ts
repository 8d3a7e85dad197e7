import { errnoOf, GantryError } from '@gantry/interface';
import { type Tree, type TreeEntry, toByteString } from './tree.js';

/** As many as the kernel follows. */
const maxLinks = 40;
/** PATH_MAX. */
const maxPathBytes = 4096;

/**
 * Reads a regular file of a tree as a process with this tree as its root would: links, absolute ones too, and `..` stay
 * inside. Undefined if absent; `REFUSED` for anything but a regular file; `LIMIT_EXCEEDED` over `maxBytes`.
 */
export async function readFileOf(tree: Tree, path: string, maxBytes: number): Promise<Uint8Array | undefined> {
  const entry = await follow(tree, path);
  if (!entry) return undefined;
  if (entry.type !== 'file') throw refused(path, 'is not a regular file');
  const handle = await openOrUndefined(entry);
  if (!handle) return undefined;
  try {
    const stat = await handle.stat();
    if (!stat.isFile()) throw refused(path, 'is not a regular file');
    // One byte more than allowed tells a file that is too large, or grows, from one that fits.
    const buffer = Buffer.alloc(Math.min(stat.size, maxBytes) + 1);
    let length = 0;
    while (length < buffer.length) {
      const { bytesRead } = await handle.read(buffer, length, buffer.length - length, length);
      if (bytesRead === 0) break;
      length += bytesRead;
    }
    if (length > maxBytes) {
      throw new GantryError('LIMIT_EXCEEDED', `${path} in the container's root is larger than ${maxBytes} bytes`, {
        details: { path, limit: maxBytes },
      });
    }
    return buffer.subarray(0, length);
  } finally {
    await handle.close();
  }
}

async function follow(tree: Tree, path: string): Promise<TreeEntry | undefined> {
  const pending = namesOf(toByteString(path)).reverse();
  const resolved: string[] = [];
  let entry: TreeEntry | undefined = { type: 'directory' };
  let links = 0;
  for (let name = pending.pop(); name !== undefined; name = pending.pop()) {
    if (entry.type !== 'directory') return undefined;
    if (name === '..') {
      resolved.pop();
      continue;
    }
    const found: TreeEntry | undefined = await tree.lookup([...resolved, name]);
    if (!found) return undefined;
    if (found.type !== 'link') {
      resolved.push(name);
      entry = found;
      continue;
    }
    if (++links > maxLinks) throw refused(path, `leads through more than ${maxLinks} symbolic links`);
    if (found.target.startsWith('/')) resolved.length = 0;
    pending.push(...namesOf(found.target).reverse());
    if (pending.length + resolved.length > maxPathBytes) throw refused(path, 'leads through links that are too long');
  }
  return entry;
}

function namesOf(path: string): string[] {
  return path.split('/').filter((name) => name !== '' && name !== '.');
}

async function openOrUndefined(entry: Extract<TreeEntry, { type: 'file' }>) {
  try {
    return await entry.open();
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}

function refused(path: string, reason: string): GantryError {
  return new GantryError('REFUSED', `${path} in the container's root ${reason}`, { details: { path } });
}
