import { parseDockerRepositories, parseV1Image, type V1Image, v1ImageChain, v1ImageConfig } from '@gantry/image-spec';
import { chooseNamed } from './choose-named.js';
import type { ImportContext, ImportedImage } from './import-context.js';
import { requireFile, type SourceFile, type SourceFiles } from './source-files.js';
import { stageLayerFiles } from './stage-layer.js';

/**
 * Imports an image of version 1: one folder a layer, with `json` that names the layer below and `layer.tar`. Nothing in
 * the archive tells what the layers' digests are, so the image is what its layers turn out to be. Docker image specification 1.
 */
export async function importV1Image(
  files: SourceFiles,
  repositories: SourceFile,
  name: string | undefined,
  context: ImportContext,
): Promise<ImportedImage> {
  const tops = [...parseDockerRepositories(await files.read(repositories))];
  const top = chooseNamed(files.name, tops, name);
  const names = tops.filter(([, id]) => id === top).map(([reference]) => reference);
  const own = name ?? (names.length === 1 ? names[0] : undefined);
  context.reference(own);
  const chain = v1ImageChain(await readImages(files, top), top);
  const layers = await stageLayerFiles(
    files,
    await Promise.all(
      chain.map(async ({ id }) => ({ file: await requireFile(files, `${id}/layer.tar`, `layer ${id}`) })),
    ),
    context,
  );
  const diffIds = layers.map((layer) => layer.diffId);
  return context.assembleNew(own, v1ImageConfig(chain, diffIds), layers);
}

/** The image and those it stands on; whether they are a chain is for {@link v1ImageChain} to say. */
async function readImages(files: SourceFiles, top: string): Promise<ReadonlyMap<string, V1Image>> {
  const images = new Map<string, V1Image>();
  for (let id: string | undefined = top; id !== undefined && !images.has(id); ) {
    const image = parseV1Image(await files.read(await requireFile(files, `${id}/json`, `image ${id}`)));
    images.set(id, image);
    id = image.parent;
  }
  return images;
}
