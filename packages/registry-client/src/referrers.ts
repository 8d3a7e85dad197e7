import { type IndexEntry, MediaType, mediaTypeOf, parseManifest } from '@gantry/image-spec';
import { type Descriptor, type Digest, GantryError, type ImageReference, isGantryError } from '@gantry/interface';
import type { Call } from './call.js';
import { fetchManifest } from './manifests.js';
import { pagesOf } from './pages.js';
import { referrersTag } from './referrers-tag.js';
import type { Requester } from './requester.js';
import { pullScope } from './scope.js';

/** The manifests that refer to one. OCI distribution-spec, "Listing Referrers", with its fallback where there is no API. */
export async function* referrersOf(
  requester: Requester,
  call: Call,
  reference: ImageReference,
  artifactType: string | undefined,
): AsyncGenerator<Descriptor> {
  const { digest } = reference;
  if (digest === undefined) {
    throw new GantryError('INVALID_ARGUMENT', `${call.what}: want a reference with a digest`, {
      details: { field: 'reference' },
    });
  }
  const isWanted = (entry: Descriptor) => artifactType === undefined || entry.artifactType === artifactType;
  try {
    for await (const entry of byApi(requester, call, reference, digest, artifactType)) if (isWanted(entry)) yield entry;
    return;
  } catch (error) {
    if (!(error instanceof NoApi)) throw error;
  }
  for (const entry of await byTag(requester, call, reference, digest)) if (isWanted(entry)) yield entry;
}

class NoApi extends Error {}

async function* byApi(
  requester: Requester,
  call: Call,
  reference: ImageReference,
  digest: Digest,
  artifactType: string | undefined,
): AsyncGenerator<IndexEntry> {
  const filter = artifactType === undefined ? '' : `?artifactType=${encodeURIComponent(artifactType)}`;
  const request = {
    method: 'GET',
    target: `${reference.repository}/referrers/${digest}${filter}`,
    headers: { accept: MediaType.ociIndex },
    scope: pullScope(reference),
  } as const;
  let asked = false;
  try {
    for await (const { headers, bytes } of pagesOf(requester, call, request)) {
      // Another kind of answer is that of a registry that serves something else there.
      if (!asked && mediaTypeOf(headers.get('content-type') ?? '') !== MediaType.ociIndex) throw new NoApi();
      asked = true;
      yield* entriesOf(bytes);
    }
  } catch (error) {
    if (!asked && isGantryError(error, 'NOT_FOUND')) throw new NoApi();
    throw error;
  }
}

async function byTag(
  requester: Requester,
  call: Call,
  { registry, repository }: ImageReference,
  digest: Digest,
): Promise<readonly Descriptor[]> {
  try {
    const { bytes } = await fetchManifest(requester, call, { registry, repository, tag: referrersTag(digest) });
    return entriesOf(bytes);
  } catch (error) {
    if (isGantryError(error, 'NOT_FOUND')) return [];
    throw error;
  }
}

function entriesOf(bytes: Uint8Array): readonly IndexEntry[] {
  const parsed = parseManifest(bytes, MediaType.ociIndex);
  return parsed.kind === 'index' ? parsed.index.manifests : [];
}
