import { decodeJson, isDigest, isIndexType, type JsonValue, MediaType } from '@gantry/image-spec';
import type { Digest } from '@gantry/interface';
import type { Exchange, Shelf } from './exchange.js';
import { field, subjectOf } from './manifests.js';
import { jsonReply, type Reply, refusal } from './reply.js';

/** GET of the manifests whose subject is the target. OCI distribution-spec, "Listing Referrers". */
export async function referrers({ shelf, method, name, query, target }: Exchange): Promise<Reply> {
  if (!shelf.keepsReferrers) return refusal(404, 'UNSUPPORTED', 'this registry has no list of referrers');
  if (method !== 'GET') return refusal(405, 'UNSUPPORTED', `${method} of referrers`);
  if (!isDigest(target)) return refusal(400, 'DIGEST_INVALID', 'malformed digest');
  const manifests: { readonly artifactType?: JsonValue | undefined }[] = [];
  for (const [digest, mediaType] of shelf.repositories.get(name)?.manifests ?? []) {
    const bytes = await bytesOf(shelf, digest);
    if (subjectOf(bytes) === target) manifests.push(descriptorOf(bytes, digest, mediaType));
  }
  const wanted = query.get('artifactType');
  const index = {
    schemaVersion: 2,
    mediaType: MediaType.ociIndex,
    manifests: manifests.filter(({ artifactType }) => wanted === null || artifactType === wanted),
  };
  const filtered: Record<string, string> = wanted === null ? {} : { 'OCI-Filters-Applied': 'artifactType' };
  return jsonReply(200, index, { 'Content-Type': MediaType.ociIndex, ...filtered });
}

function descriptorOf(bytes: Uint8Array, digest: Digest, mediaType: string) {
  const document = decodeJson(bytes);
  const ofConfig = isIndexType(mediaType) ? undefined : field(field(document, 'config'), 'mediaType');
  const artifactType = field(document, 'artifactType') ?? ofConfig;
  return { mediaType, digest, size: bytes.length, artifactType, annotations: field(document, 'annotations') };
}

async function bytesOf({ content }: Shelf, digest: Digest): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of content.read(digest, 0, (await content.size(digest)) ?? 0)) chunks.push(chunk);
  return Buffer.concat(chunks);
}
