import { digestAlgorithm, digestHex, hostPlatform } from '@gantry/image-spec';
import { type Descriptor, type Digest, GantryError } from '@gantry/interface';
import { findManifest } from '../manifest-walk.js';
import type { ImportContext, ImportedImage } from './import-context.js';
import { chooseFromLayout } from './layout-choice.js';
import { requireFile, type SourceFile, type SourceFiles } from './source-files.js';

/** Imports an image of an OCI image layout, be it a folder or an archive. OCI image-spec, image-layout.md. */
export async function importLayout(
  files: SourceFiles,
  reference: string | undefined,
  context: ImportContext,
): Promise<ImportedImage> {
  const { name, top } = await chooseFromLayout(files, reference, context.platform);
  const copy = async (descriptor: Descriptor) => copyDocument(files, descriptor, context);
  const found = await findManifest(top, context.platform ?? hostPlatform(), copy);
  if (!found) throw new GantryError('NOT_FOUND', `${files.name}: manifest ${top.digest} is missing`);
  await copy(found.manifest.config);
  const imported = await context.assemble(name, found.descriptor, top);
  await copyLayers(files, found.manifest.layers, context);
  return imported;
}

async function copyDocument(files: SourceFiles, descriptor: Descriptor, context: ImportContext): Promise<Uint8Array> {
  const bytes = await files.read(await findBlob(files, descriptor.digest));
  await context.staged.addDocument(bytes, descriptor);
  return bytes;
}

async function copyLayers(files: SourceFiles, layers: readonly Descriptor[], context: ImportContext): Promise<void> {
  const missing = new Map<string, { readonly file: SourceFile; readonly layer: Descriptor }>();
  for (const layer of distinctBlobs(layers)) {
    if (await context.staged.has(layer)) {
      context.report({ type: 'fetched', digest: layer.digest, total: layer.size, cached: true });
    } else {
      const file = await findBlob(files, layer.digest);
      missing.set(file.path, { file, layer });
    }
  }
  const wanted = [...missing.values()].map(({ file }) => file);
  await files.each(wanted, async ({ path }, content) => {
    const layer = missing.get(path)?.layer;
    if (layer) await context.addBlob(content, layer);
  });
}

/** Two sizes for one digest are two blobs, of which one will be refused. */
function distinctBlobs(blobs: readonly Descriptor[]): Iterable<Descriptor> {
  return new Map(blobs.map((blob) => [`${blob.digest} ${blob.size}`, blob])).values();
}

function findBlob(files: SourceFiles, digest: Digest): Promise<SourceFile> {
  return requireFile(files, `blobs/${digestAlgorithm(digest)}/${digestHex(digest)}`, `blob ${digest}`);
}
