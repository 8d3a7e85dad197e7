import { realpath, stat } from 'node:fs/promises';
import { packTree } from '@gantry/archive';
import { hostPlatform, MediaType } from '@gantry/image-spec';
import { errnoOf, GantryError, type ImageConfig } from '@gantry/interface';
import { configDocument } from './config-document.js';
import type { ImportContext, ImportedImage } from './import-context.js';

/** Makes an image of one layer of a folder of the host. It has no name of its own. */
export async function importDirectory(
  path: string,
  config: Partial<ImageConfig> | undefined,
  context: ImportContext,
): Promise<ImportedImage> {
  context.reference(undefined);
  const folder = await realFolder(path);
  const { signal } = context;
  const layer = await context.staged.add(packTree(folder, signal && { signal }), {
    mediaType: MediaType.ociLayer,
    signal,
  });
  const { digest, size } = layer;
  context.report({ type: 'fetched', digest, total: size, cached: false });
  const document = configDocument({ ...emptyConfig(), ...config }, [digest]);
  return context.assembleNew(undefined, document, [{ descriptor: layer }]);
}

/** The folder itself, where the caller named a link to it. */
async function realFolder(path: string): Promise<string> {
  try {
    const folder = await realpath(path);
    if ((await stat(folder)).isDirectory()) return folder;
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw error;
    throw new GantryError('NOT_FOUND', `${path}: no such folder`, { cause: error, details: { path } });
  }
  throw new GantryError('INVALID_ARGUMENT', `${path} is no folder`, { details: { field: 'path', path } });
}

function emptyConfig(): ImageConfig {
  return {
    platform: hostPlatform(),
    user: '',
    entrypoint: [],
    cmd: [],
    env: [],
    workingDir: '',
    stopSignal: '',
    exposedPorts: [],
    volumes: [],
    labels: new Map(),
  };
}
