import { stat } from 'node:fs/promises';
import { isAbsolute } from 'node:path';
import { GantryError, type Rootfs, type RootfsSource, toGantryError } from '@gantry/interface';
import type { ContainerFolder, ProvisionerFolders } from './container-folder.js';
import { FolderTree } from './folder-tree.js';
import type { LayerFiles } from './layer-files.js';
import { readFileOf } from './read-file.js';

const defaultMaxBytes = 10 * 1024 * 1024;

/** The root that a container gets from a source, whether its folders are there or not. `REFUSED` for a directory that is none. */
export async function describeRootfs(
  source: RootfsSource,
  container: ContainerFolder,
  folders: ProvisionerFolders,
  files: LayerFiles,
): Promise<Rootfs> {
  const { rootfs: path, upper, work } = container;
  if ('directory' in source) {
    await requireFolder(source.directory);
    const tree = new FolderTree(source.directory);
    return {
      path,
      mount: { type: 'directory', source: source.directory },
      readFile: readerOf((file, maxBytes) => readFileOf(tree, file, maxBytes)),
    };
  }
  const layerPaths = files.visible(source.image.layerPaths);
  const lower = layerPaths.length > 0 ? layerPaths : [folders.empty];
  return {
    path,
    mount: { type: 'overlay', lower, upper, work },
    readFile: readerOf((file, maxBytes) => files.read(layerPaths, file, maxBytes)),
  };
}

function readerOf(read: (file: string, maxBytes: number) => Promise<Uint8Array | undefined>): Rootfs['readFile'] {
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
