import { isDigest, maxDocumentBytes, mediaTypeOf } from '@gantry/image-spec';
import { type Descriptor, GantryError, type ImageReference } from '@gantry/interface';
import type { Call } from './call.js';
import { digestMismatch } from './digests.js';
import { acceptedManifests, fetchManifest } from './manifests.js';
import { contentLength, drain, type Reply } from './reply.js';
import type { Requester } from './requester.js';
import { pullScope } from './scope.js';

/** Statuses of registries that do not know HEAD. */
const unknown: readonly number[] = [400, 405, 406, 501];

/** What a reference stands for, by HEAD, or by GET where that does not tell. */
export async function resolveReference(
  requester: Requester,
  call: Call,
  reference: ImageReference,
): Promise<Descriptor> {
  const request = {
    method: 'HEAD',
    target: `${reference.repository}/manifests/${reference.digest ?? reference.tag}`,
    headers: { accept: acceptedManifests },
    scope: pullScope(reference),
  } as const;
  const told = await requester.retry(call, async () => {
    const reply = await requester.open(call, request, [200, ...unknown]);
    await drain(reply);
    return reply.status === 200 ? descriptorIn(call, reply, reference) : undefined;
  });
  return told ?? (await fetchManifest(requester, call, reference)).descriptor;
}

/** The descriptor in the headers of a manifest; undefined if they leave anything out. */
function descriptorIn(call: Call, reply: Reply, { digest: asked }: ImageReference): Descriptor | undefined {
  const mediaType = mediaTypeOf(reply.headers.get('content-type') ?? '');
  const size = contentLength(reply);
  const said = reply.headers.get('docker-content-digest') ?? '';
  const digest = asked ?? (isDigest(said) ? said : undefined);
  if (mediaType === undefined || size === undefined || size === 0 || digest === undefined) return undefined;
  if (isDigest(said) && said !== digest) throw digestMismatch(call.what, digest, said);
  if (size <= maxDocumentBytes) return { mediaType, digest, size };
  throw new GantryError('LIMIT_EXCEEDED', `${call.what}: ${size} bytes, more than ${maxDocumentBytes}`, {
    details: { digest, size, limit: maxDocumentBytes },
  });
}
