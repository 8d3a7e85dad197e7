import { type CallOptions, GantryError } from '@gantry/interface';
import { Call } from './call.js';
import { publicError } from './fault.js';
import { resolveLocation } from './hops.js';
import type { RegistryClientOptions } from './options.js';
import { contentLength, type Reply, readAll, tooLong } from './reply.js';
import { Retries } from './retries.js';
import { resolveOptions, type Settings } from './settings.js';
import { statusFault } from './status-fault.js';
import { Wire } from './wire.js';

/** How a file of the web is fetched: as a registry's blobs are, but without any login. */
export interface WebOptions
  extends CallOptions,
    Pick<
      RegistryClientOptions,
      'insecure' | 'ca' | 'certificates' | 'proxy' | 'timeouts' | 'retries' | 'userAgent' | 'transport'
    > {}

export interface DownloadOptions extends WebOptions {
  /** The most bytes that the file may have. */
  readonly maxBytes: number;
}

/**
 * Streams a file over HTTPS, following at most five redirects that never leave HTTPS; plain HTTP only from the hosts in
 * `insecure`. A failure before the first byte is retried, one after it is final. Nothing is verified: compare a digest or
 * a signature before the file is used. `INVALID_ARGUMENT`, `NOT_FOUND`, `UNAUTHORIZED`, `UNREACHABLE`, `REGISTRY_ERROR`
 * (of any web server), `TIMEOUT`, `ABORTED`, and `LIMIT_EXCEEDED` before a byte beyond `maxBytes` is handed out.
 */
export async function* downloadFile(url: string | URL, options: DownloadOptions): AsyncGenerator<Uint8Array> {
  const request = new WebRequest(url, options.maxBytes, options);
  try {
    const reply = await request.open();
    try {
      let length = 0;
      for await (const chunk of reply.body) {
        length += chunk.byteLength;
        if (length > options.maxBytes) throw tooLong(request.call.what, reply, options.maxBytes);
        yield chunk;
      }
      const declared = contentLength(reply);
      if (declared !== undefined && declared !== length) throw cutShort(request.call, reply, length, declared);
    } finally {
      reply.close();
    }
  } catch (error) {
    throw publicError(error, request.call.what);
  } finally {
    request.call.end();
  }
}

/** The whole of a small file, fetched as {@link downloadFile} does, but with retries to its end. */
export async function fetchDocument(
  url: string | URL,
  maxBytes: number,
  options: WebOptions = {},
): Promise<Uint8Array> {
  const request = new WebRequest(url, maxBytes, options);
  try {
    return await request.retry(async () => {
      const reply = await request.send();
      try {
        return await readAll(request.call.what, reply, maxBytes);
      } finally {
        reply.close();
      }
    });
  } catch (error) {
    throw publicError(error, request.call.what);
  } finally {
    request.call.end();
  }
}

class WebRequest {
  readonly call: Call;
  readonly #url: URL;
  readonly #maxBytes: number;
  readonly #settings: Settings;
  readonly #wire: Wire;

  constructor(url: string | URL, maxBytes: number, options: WebOptions) {
    if (!Number.isSafeInteger(maxBytes) || maxBytes < 0) throw invalid('maxBytes', 'want a whole number of bytes');
    this.#settings = resolveOptions(options);
    this.#url = checkUrl(url, this.#settings.insecure);
    this.#maxBytes = maxBytes;
    this.#wire = new Wire(this.#settings);
    // A query may hold a signature that gives access: messages do without it.
    const what = `file ${this.#url.origin}${this.#url.pathname}`;
    this.call = new Call(what, this.#url.host, options, undefined, this.#settings.timeouts.totalMs);
  }

  open(): Promise<Reply> {
    return this.retry(() => this.send());
  }

  async retry<T>(attempt: () => Promise<T>): Promise<T> {
    const retries = new Retries(this.call, this.#settings.retries);
    this.call.throwIfEnded();
    for (;;) {
      try {
        return await attempt();
      } catch (error) {
        await retries.after(error);
      }
    }
  }

  async send(): Promise<Reply> {
    const { call } = this;
    const follow = (from: URL, location: string | undefined) =>
      resolveLocation(call.what, from, location, this.#settings.insecure);
    const reply = await this.#wire.open(call, { method: 'GET', url: this.#url, headers: { accept: '*/*' }, follow });
    if (reply.status !== 200) throw await statusFault(call, reply, 'file');
    if ((contentLength(reply) ?? 0) <= this.#maxBytes) return reply;
    reply.close();
    throw tooLong(call.what, reply, this.#maxBytes);
  }
}

function checkUrl(url: string | URL, insecure: ReadonlySet<string>): URL {
  if (!URL.canParse(String(url))) throw invalid('url', 'want an absolute https URL');
  const checked = new URL(url);
  const allowed = checked.protocol === 'https:' || (checked.protocol === 'http:' && insecure.has(checked.host));
  if (!allowed)
    throw invalid('url', `${checked.protocol} is not https; a plain http host must be listed in \`insecure\``);
  if (checked.username !== '' || checked.password !== '') throw invalid('url', 'a login inside the address');
  return checked;
}

function cutShort(call: Call, reply: Reply, length: number, declared: number): GantryError {
  const details = { host: reply.url.host, actual: length, declared };
  return new GantryError('SIZE_MISMATCH', `${call.what}: ${length} bytes came where ${declared} were declared`, {
    details,
  });
}

function invalid(field: string, reason: string): GantryError {
  return new GantryError('INVALID_ARGUMENT', `download: ${field}: ${reason}`, { details: { field } });
}
