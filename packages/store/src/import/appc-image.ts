import { selectTar } from '@gantry/archive';
import {
  type AppcImageManifest,
  type AppcRenderStep,
  appcImageConfig,
  appcImageId,
  MediaType,
  orderAppcDependencies,
} from '@gantry/image-spec';
import type { Descriptor } from '@gantry/interface';
import { type Aci, aciContent } from './aci.js';
import { AciCollection } from './aci-collection.js';
import type { ImportContext, ImportedImage } from './import-context.js';

/** Where the appc identity of an image stands in its manifest's annotations. */
const annotationPrefix = 'io.appc.image';

/** Imports the ACI in a file; what it depends on is discovered. */
export async function importAci(path: string, context: ImportContext): Promise<ImportedImage> {
  await using collection = new AciCollection(context);
  return await importFrom(collection, await collection.open(path), context);
}

/** Imports an appc image that is found by its name and labels, with what it depends on. */
export async function importAppc(
  name: string,
  labels: ReadonlyMap<string, string>,
  context: ImportContext,
): Promise<ImportedImage> {
  await using collection = new AciCollection(context);
  return await importFrom(collection, await collection.discover({ imageName: name, labels }), context);
}

/**
 * Each image becomes a layer, those that it depends on below it. What is not in the whitelist of an image above is left
 * out of its layer, so the layer is this image's own. appc 0.8, ace.md#filesystem-setup.
 */
async function importFrom(collection: AciCollection, top: Aci, context: ImportContext): Promise<ImportedImage> {
  const own = ownName(top.manifest);
  context.reference(own);
  const steps = orderAppcDependencies(top.id, await collection.resolve(top)).filter(
    ({ whitelist }) => whitelist === undefined || whitelist.size > 0,
  );
  const layers: { readonly descriptor: Descriptor }[] = [];
  for (const step of steps) layers.push({ descriptor: await stageStep(collection.get(step.id), step, context) });
  const config = appcImageConfig(
    steps.map((step) => step.manifest),
    layers.map((layer) => layer.descriptor.digest),
    context.platform,
  );
  return context.assembleNew(own, config, layers, annotationsOf(top));
}

async function stageStep(aci: Aci, { whitelist }: AppcRenderStep, context: ImportContext): Promise<Descriptor> {
  const { signal } = context;
  const content = selectTar(aciContent(aci, signal), {
    stripPrefix: 'rootfs',
    refuseOutside: true,
    outside: new Set(['manifest']),
    ...(whitelist && { only: whitelist }),
  });
  const descriptor = await context.staged.add(content, { mediaType: MediaType.ociLayer, signal });
  context.report({ type: 'fetched', digest: descriptor.digest, total: descriptor.size, cached: false });
  return descriptor;
}

/** `example.com/app:1.0.0`; whether that is a reference is for the context to say. */
function ownName({ name, labels }: AppcImageManifest): string {
  const version = labels.get('version');
  return version === undefined ? name : `${name}:${version}`;
}

function annotationsOf({ id, manifest }: Aci): Readonly<Record<string, string>> {
  const labels = [...manifest.labels].map(([name, value]) => [`${annotationPrefix}.label.${name}`, value] as const);
  return {
    [`${annotationPrefix}.name`]: manifest.name,
    [`${annotationPrefix}.id`]: appcImageId(id),
    ...Object.fromEntries(labels),
  };
}
