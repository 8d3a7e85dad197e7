import {
  artifactTypeOf,
  digestAlgorithm,
  digestHex,
  type JsonValue,
  MediaType,
  parseManifest,
  sha256,
} from '@gantry/image-spec';
import {
  type Descriptor,
  type Digest,
  type FetchedManifest,
  type ImageReference,
  isGantryError,
} from '@gantry/interface';
import type { Call } from './call.js';
import { fetchManifest, putDocument } from './manifests.js';
import type { Requester } from './requester.js';

/** The tag under which clients keep the referrers of a manifest where the registry does not. OCI distribution-spec, "Referrers Tag Schema". */
export function referrersTag(digest: Digest): string {
  return `${digestAlgorithm(digest)}-${digestHex(digest).slice(0, 64)}`;
}

/** The subject of a manifest or index; undefined if it has none, or is no document that could have one. */
export function subjectOf({ bytes, descriptor }: FetchedManifest): Digest | undefined {
  if (descriptor.mediaType !== MediaType.ociManifest && descriptor.mediaType !== MediaType.ociIndex) return undefined;
  try {
    const parsed = parseManifest(bytes, descriptor.mediaType);
    return (parsed.kind === 'index' ? parsed.index : parsed.manifest).subject?.digest;
  } catch (error) {
    // It is for the registry to refuse it.
    if (isGantryError(error)) return undefined;
    throw error;
  }
}

/** Puts a manifest on the list of those that refer to its subject. Of two clients that do it at once, one may be lost. */
export async function addReferrer(
  requester: Requester,
  call: Call,
  { registry, repository }: ImageReference,
  referrer: FetchedManifest,
  subject: Digest,
): Promise<void> {
  const reference = { registry, repository, tag: referrersTag(subject) };
  const listed = await entriesAt(requester, call, reference);
  if (listed.some((entry) => digestIn(entry) === referrer.descriptor.digest)) return;
  const index = {
    schemaVersion: 2,
    mediaType: MediaType.ociIndex,
    manifests: [...listed, entryOf(referrer)],
  };
  const bytes = Buffer.from(JSON.stringify(index));
  const descriptor = { mediaType: MediaType.ociIndex, digest: sha256(bytes), size: bytes.byteLength };
  await putDocument(requester, call, reference, { bytes, descriptor });
}

/** As they stand there, fields unknown to us included. */
async function entriesAt(requester: Requester, call: Call, reference: ImageReference): Promise<readonly JsonValue[]> {
  try {
    const { bytes, descriptor } = await fetchManifest(requester, call, reference);
    const parsed = parseManifest(bytes, descriptor.mediaType);
    const entries = parsed.kind === 'index' ? parsed.index.raw['manifests'] : undefined;
    return Array.isArray(entries) ? entries : [];
  } catch (error) {
    if (isGantryError(error, 'NOT_FOUND')) return [];
    throw error;
  }
}

function digestIn(entry: JsonValue): JsonValue | undefined {
  return typeof entry === 'object' && entry !== null && !Array.isArray(entry)
    ? (entry as { readonly digest?: JsonValue }).digest
    : undefined;
}

function entryOf({ bytes, descriptor: { mediaType, digest, size } }: FetchedManifest): Descriptor {
  const parsed = parseManifest(bytes, mediaType);
  const { artifactType, annotations } =
    parsed.kind === 'index'
      ? parsed.index
      : { ...parsed.manifest, artifactType: artifactTypeOf(parsed.manifest) ?? parsed.manifest.config.mediaType };
  return {
    mediaType,
    digest,
    size,
    ...(artifactType !== undefined && { artifactType }),
    ...(annotations.size > 0 && { annotations: Object.fromEntries(annotations) }),
  };
}
