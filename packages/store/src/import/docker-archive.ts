import {
  type DockerArchiveImage,
  formatReference,
  parseDockerArchiveManifest,
  parseImageConfig,
  parseReference,
} from '@gantry/image-spec';
import { GantryError } from '@gantry/interface';
import { chooseNamed } from './choose-named.js';
import { importV1Image } from './docker-v1.js';
import type { ImportContext, ImportedImage } from './import-context.js';
import { requireFile, type SourceFile, type SourceFiles } from './source-files.js';
import { type LayerFile, stageLayerFiles } from './stage-layer.js';

/**
 * Imports an image of what `docker save` writes: by `manifest.json`, or by `repositories` in archives older than
 * Docker 1.10. None of the names in it counts but the one asked for, or the only one.
 */
export async function importDockerArchive(
  files: SourceFiles,
  reference: string | undefined,
  context: ImportContext,
): Promise<ImportedImage> {
  const name = reference === undefined ? undefined : formatReference(parseReference(reference));
  const manifest = await files.find('manifest.json');
  if (manifest) return importSavedImage(files, manifest, name, context);
  const repositories = await files.find('repositories');
  if (repositories) return importV1Image(files, repositories, name, context);
  throw new GantryError(
    'INVALID_ARCHIVE',
    `${files.name}: neither manifest.json nor repositories is in it: no archive of docker save`,
  );
}

async function importSavedImage(
  files: SourceFiles,
  manifest: SourceFile,
  name: string | undefined,
  context: ImportContext,
): Promise<ImportedImage> {
  const images = parseDockerArchiveManifest(await files.read(manifest));
  const named = images.flatMap((image) => namesOf(image).map((one) => [one, image] as const));
  const image = chooseNamed(files.name, named, name);
  const own = name ?? (image.references.length === 1 ? image.references[0] : undefined);
  context.reference(own);
  const config = await files.read(await requireFile(files, image.config, 'the image config'));
  const layers = await stageLayerFiles(files, await layerFiles(files, image, config), context);
  return context.assembleNew(own, config, layers);
}

function namesOf({ references }: DockerArchiveImage): readonly (string | undefined)[] {
  return references.length > 0 ? references : [undefined];
}

/** The config says what each layer must be. */
async function layerFiles(
  files: SourceFiles,
  { layers }: DockerArchiveImage,
  config: Uint8Array,
): Promise<readonly LayerFile[]> {
  const { diffIds } = parseImageConfig(config);
  if (layers.length !== diffIds.length) {
    throw new GantryError(
      'INVALID_DOCUMENT',
      `${files.name}: manifest.json has ${layers.length} layers, the image config ${diffIds.length}`,
      { details: { path: '$.rootfs.diff_ids' } },
    );
  }
  return Promise.all(
    layers.map(async (path, position) => ({
      file: await requireFile(files, path, `layer ${position}`),
      diffId: diffIds[position],
    })),
  );
}
