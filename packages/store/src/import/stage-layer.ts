import { readTar } from '@gantry/archive';
import { digestAlgorithm, MediaType } from '@gantry/image-spec';
import { type Descriptor, type Digest, GantryError } from '@gantry/interface';
import { digestMismatch } from '../blob-errors.js';
import type { ImportContext } from './import-context.js';
import { detect, inflate, inflateAs } from './inflate.js';
import { layerTypeOf } from './layer-type.js';
import { measure } from './measure.js';
import type { SourceFile, SourceFiles } from './source-files.js';

/** A layer whose blob is staged or in the store. */
export interface StagedLayer {
  readonly descriptor: Descriptor;
  readonly diffId: Digest;
}

/** A layer in a file of a source. */
export interface LayerFile {
  readonly file: SourceFile;
  /** Where the source tells it. */
  readonly diffId?: Digest | undefined;
}

/** Stages the layers in these files, in their order; a file that is several of the layers is read once. */
export async function stageLayerFiles(
  files: SourceFiles,
  layers: readonly LayerFile[],
  context: ImportContext,
): Promise<readonly StagedLayer[]> {
  const staged = new Map<string, StagedLayer>();
  const missing = new Map<string, LayerFile>();
  for (const layer of layers) {
    const { path } = layer.file;
    const stored = await storedLayer(layer, context);
    if (stored) staged.set(path, stored);
    else missing.set(path, layer);
  }
  await files.each(
    [...missing.values()].map(({ file }) => file),
    async ({ path, size }, content) => {
      const what = `${files.name}: ${path}`;
      staged.set(path, await stageLayer(what, { content, size }, missing.get(path)?.diffId, context));
    },
  );
  return layers.map(({ file, diffId }) => {
    const layer = staged.get(file.path);
    if (layer && (diffId === undefined || diffId === layer.diffId)) return layer;
    throw new GantryError('INVALID_ARCHIVE', `${files.name}: ${file.path} stands for layers of different digests`, {
      details: { entry: file.path },
    });
  });
}

/** The layer, if the store has it as it is in the source: a blob of that digest and that size is no compressed one. */
async function storedLayer(
  { file, diffId }: LayerFile,
  { staged, report }: ImportContext,
): Promise<StagedLayer | undefined> {
  if (diffId === undefined) return undefined;
  const descriptor = { mediaType: MediaType.ociLayer, digest: diffId, size: file.size };
  if (!(await staged.has(descriptor))) return undefined;
  report({ type: 'fetched', digest: diffId, total: file.size, cached: true });
  return { descriptor, diffId };
}

/**
 * Stages a layer that comes as an archive of unknown digest, kept as it comes. `DIGEST_MISMATCH` if, uncompressed, it is
 * not of the digest expected; `INVALID_ARCHIVE` if it is no tar archive.
 */
export async function stageLayer(
  what: string,
  source: { readonly content: AsyncIterable<Uint8Array>; readonly size: number },
  expected: Digest | undefined,
  context: ImportContext,
): Promise<StagedLayer> {
  const { compression, content } = await detect(source.content);
  // What has no media type in its compression is kept without.
  const packedType = compression === 'none' ? undefined : layerTypeOf(compression);
  const layer =
    packedType === undefined
      ? await stagePlain(inflateAs(what, compression, content, source.size), source.size, expected, context)
      : await stagePacked(what, content, packedType, expected, context);
  await requireTar(what, layer.descriptor, context);
  const { digest, size } = layer.descriptor;
  context.report({ type: 'fetched', digest, total: size, cached: false });
  return layer;
}

async function stagePlain(
  content: AsyncIterable<Uint8Array>,
  total: number,
  expected: Digest | undefined,
  { staged, signal, report }: ImportContext,
): Promise<StagedLayer> {
  const descriptor = await staged.add(content, {
    mediaType: MediaType.ociLayer,
    signal,
    ...(expected && {
      expected: { digest: expected },
      onBytes: (current: number) => report({ type: 'fetching', digest: expected, current, total }),
    }),
  });
  return { descriptor, diffId: descriptor.digest };
}

async function stagePacked(
  what: string,
  content: AsyncIterable<Uint8Array>,
  mediaType: string,
  expected: Digest | undefined,
  { staged, signal }: ImportContext,
): Promise<StagedLayer> {
  const descriptor = await staged.add(content, { mediaType, signal });
  const algorithm = expected ? digestAlgorithm(expected) : 'sha256';
  const tar = inflate(what, staged.read(descriptor.digest), descriptor.size);
  const { digest: diffId } = await measure(what, tar, algorithm, signal);
  if (expected !== undefined && diffId !== expected) throw digestMismatch(expected, diffId);
  return { descriptor, diffId };
}

/** Reads as far as the first entry: what is no archive is found out before the image has a name, not when it is unpacked. */
async function requireTar(what: string, { digest, size }: Descriptor, { staged }: ImportContext): Promise<void> {
  const entries = readTar(inflate(what, staged.read(digest), size));
  await entries.next();
  await entries.return();
}
