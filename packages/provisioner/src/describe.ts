import { stat } from 'node:fs/promises';
import { isAbsolute } from 'node:path';
import { GantryError, type Rootfs, toGantryError } from '@gantry/interface';
import type { ContainerFolder } from './container-folder.js';
import { FolderTree } from './folder-tree.js';
import { readFileOf } from './read-file.js';

const defaultMaxBytes = 10 * 1024 * 1024;

/** A folder of the host as a root. `REFUSED` if it is none. */
export async function directoryRootfs(
  directory: string,
  { rootfs }: ContainerFolder,
  isReadonly: boolean,
): Promise<Rootfs> {
  await requireFolder(directory);
  const tree = new FolderTree(directory);
  const mount = { type: 'directory', source: directory } as const;
  return {
    path: rootfs,
    mount: isReadonly ? { ...mount, readonly: true } : mount,
    readFile: rootfsReader((file, maxBytes) => readFileOf(tree, file, maxBytes)),
  };
}

/** Puts the defaults and errors of `Rootfs.readFile` around a way to read. */
export function rootfsReader(
  read: (file: string, maxBytes: number) => Promise<Uint8Array | undefined>,
): Rootfs['readFile'] {
  return async (file, { maxBytes = defaultMaxBytes } = {}) => {
    if (file.includes('\0')) {
      throw new GantryError('INVALID_ARGUMENT', `path ${JSON.stringify(file)}: a path has no NUL`, {
        details: { field: 'path' },
      });
    }
    try {
      return await read(file, maxBytes);
    } catch (error) {
      throw toGantryError(error, `${file} in the container's root`);
    }
  };
}

async function requireFolder(directory: string): Promise<void> {
  const refused = (reason: string, cause?: unknown) =>
    new GantryError('REFUSED', `root folder ${directory} ${reason}: give an absolute path of a folder of this host`, {
      details: { path: directory },
      cause,
    });
  if (!isAbsolute(directory)) throw refused('is a relative path');
  const found = await stat(directory).catch((cause: unknown) => {
    throw refused('cannot be used', cause);
  });
  if (!found.isDirectory()) throw refused('is not a folder');
}
