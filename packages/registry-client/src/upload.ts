import type { Descriptor, ImageReference } from '@gantry/interface';
import { BlobCheck } from './blob-check.js';
import { blobExists } from './blob-head.js';
import type { Call } from './call.js';
import { drain } from './reply.js';
import type { Requester } from './requester.js';
import { pushScope } from './scope.js';
import { sessionUrl, UploadSession } from './upload-session.js';

/** Blobs of up to this size go in one request, larger ones in chunks of it, each of which can be tried again. */
const chunkBytes = 8 * 1024 * 1024;

/**
 * Uploads a blob (OCI distribution-spec, "Pushing Blobs"): a small one in one request, a larger one in chunks, so that a
 * broken connection costs a chunk at most. At most one chunk of a stream is in memory. The registry is not asked to
 * complete content that is not what the descriptor says.
 */
export async function uploadBlob(
  requester: Requester,
  call: Call,
  reference: ImageReference,
  descriptor: Descriptor,
  content: AsyncIterable<Uint8Array> | Uint8Array,
): Promise<void> {
  if (content instanceof Uint8Array) {
    const check = new BlobCheck(call.what, descriptor);
    check.take(content);
    check.finish();
  }
  if (await blobExists(requester, call, reference, descriptor.digest, pushScope(reference))) return;
  if (descriptor.size > chunkBytes) return uploadChunks(requester, call, reference, descriptor, content);
  await uploadWhole(requester, call, reference, descriptor, await gather(call, descriptor, content));
}

async function gather(
  call: Call,
  descriptor: Descriptor,
  content: AsyncIterable<Uint8Array> | Uint8Array,
): Promise<Uint8Array> {
  if (content instanceof Uint8Array) return content;
  const check = new BlobCheck(call.what, descriptor);
  const chunks: Uint8Array[] = [];
  for await (const chunk of content) {
    call.throwIfEnded();
    check.take(chunk);
    chunks.push(chunk);
  }
  check.finish();
  return Buffer.concat(chunks);
}

async function uploadWhole(
  requester: Requester,
  call: Call,
  reference: ImageReference,
  { digest, size }: Descriptor,
  body: Uint8Array,
): Promise<void> {
  const scope = pushScope(reference);
  const headers = { 'content-type': 'application/octet-stream', 'content-length': String(size) };
  await requester.retry(call, async () => {
    const { location } = await UploadSession.begin(requester, call, reference);
    const target = sessionUrl(location, digest);
    await drain(await requester.open(call, { method: 'PUT', target, headers, body, scope }, [201, 200, 204]));
  });
}

async function uploadChunks(
  requester: Requester,
  call: Call,
  reference: ImageReference,
  descriptor: Descriptor,
  content: AsyncIterable<Uint8Array> | Uint8Array,
): Promise<void> {
  const check = new BlobCheck(call.what, descriptor);
  const session = await requester.retry(call, () => UploadSession.begin(requester, call, reference));
  let isAsking = false;
  try {
    for await (const chunk of chunksOf(content, Math.max(chunkBytes, session.leastChunkBytes))) {
      check.take(chunk);
      isAsking = true;
      await session.send(chunk);
      isAsking = false;
    }
    check.finish();
    isAsking = true;
    await session.finish(descriptor.digest);
  } catch (error) {
    // A registry that has just failed is not asked for anything more.
    if (!isAsking) await session.cancel();
    throw error;
  }
}

/** The content in pieces of this size, the last one smaller. */
async function* chunksOf(content: AsyncIterable<Uint8Array> | Uint8Array, bytes: number): AsyncGenerator<Uint8Array> {
  if (content instanceof Uint8Array) {
    for (let at = 0; at < content.byteLength; at += bytes) yield content.subarray(at, at + bytes);
    return;
  }
  let buffer = Buffer.allocUnsafe(bytes);
  let filled = 0;
  for await (const chunk of content) {
    for (let at = 0; at < chunk.byteLength; ) {
      const part = chunk.subarray(at, at + bytes - filled);
      buffer.set(part, filled);
      at += part.byteLength;
      filled += part.byteLength;
      if (filled < bytes) continue;
      yield buffer;
      // The one before may still be on its way out after an answer that came early.
      buffer = Buffer.allocUnsafe(bytes);
      filled = 0;
    }
  }
  if (filled > 0) yield buffer.subarray(0, filled);
}
