import { MediaType, maxDocumentBytes, mediaTypeOf, parseManifest } from '@gantry/image-spec';
import { type Digest, type FetchedManifest, GantryError, type ImageReference } from '@gantry/interface';
import type { Call } from './call.js';
import { digestMismatch, digestOf } from './digests.js';
import { Fault, never } from './fault.js';
import { drain, type Reply, readAll } from './reply.js';
import type { Requester } from './requester.js';
import { pullScope, pushScope } from './scope.js';

/** For an Accept header. */
export const acceptedManifests = [
  MediaType.ociIndex,
  MediaType.dockerList,
  MediaType.ociManifest,
  MediaType.dockerManifest,
  // Better told apart as unsupported than not found.
  `${MediaType.dockerSchema1Signed};q=0.1`,
].join(', ');

/** Fetches a manifest or index and verifies the digest asked for; a tag is taken at the registry's word. */
export function fetchManifest(requester: Requester, call: Call, reference: ImageReference): Promise<FetchedManifest> {
  const { digest } = reference;
  const request = {
    method: 'GET',
    target: `${reference.repository}/manifests/${digest ?? reference.tag}`,
    headers: { accept: acceptedManifests },
    scope: pullScope(reference),
  } as const;
  return requester.retry(call, async () => {
    const reply = await requester.open(call, request, [200]);
    try {
      refuseEncoded(call, reply);
      const bytes = await readAll(call.what, reply, maxDocumentBytes);
      const actual = digestOf(bytes, digest);
      if (digest !== undefined && actual !== digest) throw digestMismatch(call.what, digest, actual);
      return { descriptor: { mediaType: sentType(reply, bytes), digest: actual, size: bytes.byteLength }, bytes };
    } finally {
      reply.close();
    }
  });
}

/** What a registry said to a manifest that was put. */
export interface PutAnswer {
  readonly digest: Digest;
  /** It keeps the list of the subject's referrers itself. */
  readonly knowsSubject: boolean;
}

/** Uploads a manifest or index under the reference's tag, or under its digest. */
export async function putDocument(
  requester: Requester,
  call: Call,
  reference: ImageReference,
  { bytes, descriptor }: FetchedManifest,
): Promise<PutAnswer> {
  const digest = digestOf(bytes, descriptor.digest);
  for (const expected of [descriptor.digest, reference.digest ?? descriptor.digest]) {
    if (expected !== digest) throw digestMismatch(call.what, expected, digest);
  }
  const request = {
    method: 'PUT',
    target: `${reference.repository}/manifests/${reference.tag ?? digest}`,
    headers: { 'content-type': descriptor.mediaType, 'content-length': String(bytes.byteLength) },
    body: bytes,
    scope: pushScope(reference),
  } as const;
  return requester.retry(call, async () => {
    const reply = await requester.open(call, request, [201, 200, 202]);
    await drain(reply);
    return { digest, knowsSubject: reply.headers.has('oci-subject') };
  });
}

function sentType(reply: Reply, bytes: Uint8Array): string {
  const sentAs = mediaTypeOf(reply.headers.get('content-type') ?? '');
  if (sentAs !== undefined) return sentAs;
  const parsed = parseManifest(bytes);
  return parsed.kind === 'index' ? parsed.index.mediaType : parsed.manifest.mediaType;
}

function refuseEncoded(call: Call, reply: Reply): void {
  const encoding = reply.headers.get('content-encoding') ?? 'identity';
  if (encoding === 'identity') return;
  const message = `${call.what}: ${reply.url.host} compressed its answer though it was asked not to`;
  throw new Fault(new GantryError('REGISTRY_ERROR', message, { details: { encoding } }), never);
}
