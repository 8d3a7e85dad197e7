import type { Descriptor, ImageReference } from '@gantry/interface';
import { BlobCheck } from './blob-check.js';
import type { Call } from './call.js';
import { drain } from './reply.js';
import type { Requester } from './requester.js';
import { pullScope, pushScope } from './scope.js';

/** Whether a repository holds a blob, asked with the rights that `scope` names. */
export function blobExists(
  requester: Requester,
  call: Call,
  { repository }: ImageReference,
  digest: string,
  scope: string,
): Promise<boolean> {
  const request = { method: 'HEAD', target: `${repository}/blobs/${digest}`, scope } as const;
  return requester.retry(call, async () => {
    const reply = await requester.open(call, request, [200, 404]);
    await drain(reply);
    return reply.status === 200;
  });
}

/** As {@link blobExists}, to read. */
export function hasBlob(requester: Requester, call: Call, reference: ImageReference, digest: string): Promise<boolean> {
  return blobExists(requester, call, reference, digest, pullScope(reference));
}

/**
 * Uploads a blob in one request (OCI distribution-spec, "POST then PUT"). Bytes are tried again like any request; a
 * stream cannot be, so a failure after its first chunk is final. Content that is not what the descriptor says is cut off
 * before its end, so that the registry cannot take it.
 */
export async function uploadBlob(
  requester: Requester,
  call: Call,
  reference: ImageReference,
  descriptor: Descriptor,
  content: AsyncIterable<Uint8Array> | Uint8Array,
): Promise<void> {
  const scope = pushScope(reference);
  if (content instanceof Uint8Array) {
    const check = new BlobCheck(call.what, descriptor);
    check.take(content);
    check.finish();
  }
  if (await blobExists(requester, call, reference, descriptor.digest, scope)) return;

  const start = () => startUpload(requester, call, reference, descriptor);
  const send = async (target: URL, body: AsyncIterable<Uint8Array> | Uint8Array) => {
    const headers = { 'content-type': 'application/octet-stream', 'content-length': String(descriptor.size) };
    await drain(await requester.open(call, { method: 'PUT', target, headers, body, scope }, [201, 200, 204]));
  };
  if (content instanceof Uint8Array) {
    await requester.retry(call, async () => send(await start(), content));
    return;
  }
  const target = await requester.retry(call, start);
  const source = new CheckedSource(new BlobCheck(call.what, descriptor), content);
  try {
    await send(target, source.chunks());
  } catch (error) {
    throw source.failure ?? error;
  }
}

async function startUpload(
  requester: Requester,
  call: Call,
  reference: ImageReference,
  { digest }: Descriptor,
): Promise<URL> {
  const reply = await requester.open(
    call,
    {
      method: 'POST',
      target: `${reference.repository}/blobs/uploads/`,
      headers: { 'content-type': 'application/octet-stream', 'content-length': '0' },
      scope: pushScope(reference),
    },
    [202],
  );
  await drain(reply);
  const url = requester.locate(call, reply);
  // Appended as text: the registry's own parameters are opaque and must stay as they are.
  url.search += `${url.search === '' ? '?' : '&'}digest=${encodeURIComponent(digest)}`;
  return url;
}

/** A caller's stream, checked as it goes out. Its failure is kept: what the transport makes of it says less. */
class CheckedSource {
  readonly #check: BlobCheck;
  readonly #content: AsyncIterable<Uint8Array>;
  failure: unknown;

  constructor(check: BlobCheck, content: AsyncIterable<Uint8Array>) {
    this.#check = check;
    this.#content = content;
  }

  /** Each chunk goes out when the next one is there, the last one once all of them are known to be right. */
  async *chunks(): AsyncGenerator<Uint8Array> {
    try {
      let held: Uint8Array | undefined;
      for await (const chunk of this.#content) {
        this.#check.take(chunk);
        if (held) yield held;
        held = chunk;
      }
      this.#check.finish();
      if (held) yield held;
    } catch (error) {
      this.failure = error;
      throw error;
    }
  }
}
