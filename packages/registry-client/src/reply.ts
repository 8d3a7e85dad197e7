import { GantryError } from '@gantry/interface';
import { again, Fault, never } from './fault.js';
import { untilTimeIsLeft } from './turns.js';

/** A response whose body is watched and whose faults are typed. Whoever gets one closes it, on every path. */
export interface Reply {
  /** Where it came from, after redirects. */
  readonly url: URL;
  readonly status: number;
  readonly headers: ReadonlyMap<string, string>;
  readonly body: AsyncIterable<Uint8Array>;
  /** Ends the request if its body was not read to its end. May be called again. */
  close(): void;
}

/** The declared length of a body; undefined if there is none or it is malformed. */
export function contentLength(reply: Reply): number | undefined {
  const text = reply.headers.get('content-length');
  return text !== undefined && /^[0-9]{1,15}$/.test(text) ? Number(text) : undefined;
}

/** The whole body, of at most `limit` bytes; `LIMIT_EXCEEDED` for a longer one, after at most a chunk more was read. */
export async function readAll(what: string, reply: Reply, limit: number): Promise<Uint8Array> {
  if ((contentLength(reply) ?? 0) > limit) throw tooLong(what, reply, limit);
  const { bytes, complete } = await readUpTo(reply, limit);
  if (!complete) throw tooLong(what, reply, limit);
  return bytes;
}

/** The fault of a body that is longer than it may be. */
export function tooLong(what: string, reply: Reply, limit: number): Fault {
  const message = `${what}: the answer of ${reply.url.host} exceeds ${limit} bytes`;
  const error = new GantryError('LIMIT_EXCEEDED', message, { details: { host: reply.url.host, limit } });
  return new Fault(error, never);
}

/** The body, or as much of it as `limit` allows. */
export async function readUpTo(reply: Reply, limit: number): Promise<{ bytes: Uint8Array; complete: boolean }> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of reply.body) {
    chunks.push(chunk);
    length += chunk.byteLength;
    if (length > limit) return { bytes: Buffer.concat(chunks).subarray(0, limit), complete: false };
  }
  // It is going to be parsed.
  await untilTimeIsLeft();
  return { bytes: Buffer.concat(chunks), complete: true };
}

/** Reads what little a redirect or challenge says, so that its connection can be used again; a long body is cut off. */
export async function drain(reply: Reply): Promise<void> {
  try {
    await readUpTo(reply, 16 * 1024);
  } finally {
    reply.close();
  }
}

/** The fault of a peer that sends too little in a window of time. */
export function stallFault(what: string, url: URL, windowMs: number, leastBytes: number): Fault {
  const message = `${what}: ${url.host} moved fewer than ${leastBytes} bytes in ${windowMs} ms`;
  return new Fault(new GantryError('TIMEOUT', message, { details: { host: url.host } }), again);
}
