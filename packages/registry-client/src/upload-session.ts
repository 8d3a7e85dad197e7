import { type Digest, GantryError, type ImageReference } from '@gantry/interface';
import { blobExists } from './blob-head.js';
import type { Call } from './call.js';
import { Fault, never } from './fault.js';
import { drain, type Reply } from './reply.js';
import type { Requester } from './requester.js';
import { pushScope } from './scope.js';

const mostChunkBytes = 64 * 1024 * 1024;

/** An upload that a registry has begun. OCI distribution-spec, "Pushing a blob in chunks". */
export class UploadSession {
  readonly #requester: Requester;
  readonly #call: Call;
  readonly #reference: ImageReference;
  /** What the registry wants of every chunk but the last. */
  readonly leastChunkBytes: number;
  #location: URL;
  #offset = 0;

  private constructor(requester: Requester, call: Call, reference: ImageReference, reply: Reply) {
    this.#requester = requester;
    this.#call = call;
    this.#reference = reference;
    this.#location = requester.locate(call, reply);
    const least = reply.headers.get('oci-chunk-min-length') ?? '';
    this.leastChunkBytes = /^[0-9]{1,9}$/.test(least) ? Math.min(Number(least), mostChunkBytes) : 0;
  }

  /** One attempt to begin. */
  static async begin(requester: Requester, call: Call, reference: ImageReference): Promise<UploadSession> {
    const request = {
      method: 'POST',
      target: `${reference.repository}/blobs/uploads/`,
      headers: { 'content-type': 'application/octet-stream', 'content-length': '0' },
      scope: pushScope(reference),
    } as const;
    const reply = await requester.open(call, request, [202]);
    await drain(reply);
    return new UploadSession(requester, call, reference, reply);
  }

  /** Where the next request of the upload goes. */
  get location(): URL {
    return this.#location;
  }

  /** Sends the next bytes; after a failure only those that the registry has not taken yet. */
  async send(chunk: Uint8Array): Promise<void> {
    const start = this.#offset;
    const end = start + chunk.byteLength;
    const retries = this.#requester.retries(this.#call);
    for (let sure = true; this.#offset < end; ) {
      try {
        if (!sure) this.#offset = await this.#askOffset(start, end);
        sure = true;
        if (this.#offset < end) await this.#patch(chunk.subarray(this.#offset - start), end);
      } catch (error) {
        sure = false;
        await retries.after(error);
      }
    }
  }

  /** Has the registry verify and keep what was sent. */
  async finish(digest: Digest): Promise<void> {
    const scope = pushScope(this.#reference);
    const target = sessionUrl(this.#location, digest);
    const request = { method: 'PUT', target, headers: { 'content-length': '0' }, scope } as const;
    const retries = this.#requester.retries(this.#call);
    for (let isAnswered = false; !isAnswered; ) {
      try {
        await drain(await this.#requester.open(this.#call, request, [201, 200, 204]));
        isAnswered = true;
      } catch (error) {
        await retries.after(error);
        // The answer alone may have been lost; the upload is gone then.
        isAnswered = await blobExists(this.#requester, this.#call, this.#reference, digest, scope);
      }
    }
  }

  /** Lets the registry forget it. One that does not will forget by itself: a failure here would hide the one that matters. */
  async cancel(): Promise<void> {
    const request = { method: 'DELETE', target: this.#location, scope: pushScope(this.#reference) } as const;
    await this.#requester.open(this.#call, request, [204, 200, 202]).then(drain, () => undefined);
  }

  async #patch(body: Uint8Array, end: number): Promise<void> {
    const headers = {
      'content-type': 'application/octet-stream',
      'content-length': String(body.byteLength),
      'content-range': `${this.#offset}-${end - 1}`,
    };
    const request = {
      method: 'PATCH',
      target: this.#location,
      headers,
      body,
      scope: pushScope(this.#reference),
    } as const;
    const reply = await this.#requester.open(this.#call, request, [202, 201, 204]);
    await drain(reply);
    this.#moveTo(reply);
    this.#offset = end;
  }

  /** How much the registry has, of which it must have had `start` and cannot have more than `end`. */
  async #askOffset(start: number, end: number): Promise<number> {
    const request = { method: 'GET', target: this.#location, scope: pushScope(this.#reference) } as const;
    const reply = await this.#requester.open(this.#call, request, [204, 200, 202]);
    await drain(reply);
    this.#moveTo(reply);
    const last = /^(?:bytes=)?0-([0-9]{1,15})$/.exec(reply.headers.get('range') ?? '')?.[1];
    // `0-0` stands for nothing as well as for one byte.
    const offset = last === undefined || last === '0' ? 0 : Number(last) + 1;
    if (offset >= start && offset <= end) return offset;
    const reason = `${reply.url.host} has ${offset} bytes of the upload, want ${start} to ${end}`;
    const details = { host: reply.url.host };
    throw new Fault(new GantryError('REGISTRY_ERROR', `${this.#call.what}: ${reason}`, { details }), never);
  }

  #moveTo(reply: Reply): void {
    if (reply.headers.has('location')) this.#location = this.#requester.locate(this.#call, reply);
  }
}

/** The URL that completes an upload. Appended as text: the registry's own parameters are opaque and must stay as they are. */
export function sessionUrl(location: URL, digest: Digest): URL {
  const url = new URL(location);
  url.search += `${url.search === '' ? '?' : '&'}digest=${encodeURIComponent(digest)}`;
  return url;
}
