import type { IncomingHttpHeaders } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import type { FaultBehaviour } from './faults.js';
import { inRange, type Reply, type ReplyBody, refusal } from './reply.js';

/** How the sending of an answer ends. */
export interface Ending {
  readonly type: 'end' | 'reset' | 'stall';
  /** Body bytes sent before a reset or stall. */
  readonly afterBytes: number;
}

/** The answer that a fault gives without the request being handled, if it is such a fault. */
export function answerInstead(fault: FaultBehaviour | undefined): Reply | undefined {
  if (fault?.type === 'status') {
    const headers: Record<string, string> =
      fault.retryAfter === undefined ? {} : { 'Retry-After': String(fault.retryAfter) };
    return refusal(
      fault.status,
      fault.status === 429 ? 'TOOMANYREQUESTS' : 'UNKNOWN',
      'a fault was asked for',
      headers,
    );
  }
  if (fault?.type === 'redirect') return { status: fault.status ?? 307, headers: { Location: fault.location } };
  return undefined;
}

/** True if the connection is to be reset or left hanging before the request is handled. */
export function silences(fault: FaultBehaviour | undefined): fault is { type: 'reset' | 'stall' } {
  return (fault?.type === 'reset' || fault?.type === 'stall') && fault.afterBytes === undefined;
}

export function endingOf(fault: FaultBehaviour | undefined): Ending {
  return fault?.type === 'reset' || fault?.type === 'stall'
    ? { type: fault.type, afterBytes: fault.afterBytes ?? 0 }
    : { type: 'end', afterBytes: 0 };
}

/** The answer as the fault spoils it. */
export function spoil(reply: Reply, fault: FaultBehaviour | undefined, request: IncomingHttpHeaders): Reply {
  if (fault?.type === 'ignore-range') return reply;
  if (fault?.type === 'wrong-range') return fromTheStart(reply, request);
  const ranged = inRange(reply, request);
  if (fault?.type === 'headers') return { ...ranged, headers: { ...ranged.headers, ...fault.headers } };
  const { body } = ranged;
  return body === undefined || fault === undefined ? ranged : { ...ranged, body: spoilBody(body, fault) };
}

function fromTheStart(reply: Reply, request: IncomingHttpHeaders): Reply {
  const ranged = inRange(reply, request);
  if (ranged.status !== 206 || !ranged.body || !reply.body) return ranged;
  const { size } = ranged.body;
  const headers = { ...ranged.headers, 'Content-Range': `bytes 0-${size - 1}/${reply.body.size}` };
  return { ...ranged, headers, body: { size, read: reply.body.read } };
}

function spoilBody(body: ReplyBody, fault: FaultBehaviour): ReplyBody {
  switch (fault.type) {
    case 'wrong-digest':
      return { size: body.size, read: (start, end) => flipFirstByte(body.read(start, end)) };
    case 'short':
      return { ...body, size: Math.max(0, body.size - (fault.by ?? 1)) };
    case 'long':
      return lengthen(body, fault.by ?? 1);
    case 'drip':
      return {
        size: body.size,
        read: (start, end) => drip(body.read(start, end), fault.bytes ?? 1, fault.intervalMs ?? 200),
      };
    default:
      return body;
  }
}

async function* flipFirstByte(chunks: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
  let first = true;
  for await (const chunk of chunks) {
    const copy = first ? Uint8Array.from(chunk) : chunk;
    if (first) copy[0] = (copy[0] ?? 0) ^ 0xff;
    first = false;
    yield copy;
  }
}

function lengthen(body: ReplyBody, by: number): ReplyBody {
  return {
    size: body.size + by,
    async *read(start, end) {
      yield* body.read(start, Math.min(end, body.size));
      if (end > body.size) yield new Uint8Array(end - Math.max(start, body.size));
    },
  };
}

async function* drip(chunks: AsyncIterable<Uint8Array>, bytes: number, intervalMs: number): AsyncIterable<Uint8Array> {
  for await (const chunk of chunks) {
    for (let offset = 0; offset < chunk.length; offset += bytes) {
      yield chunk.subarray(offset, offset + bytes);
      await delay(intervalMs, undefined, { ref: false });
    }
  }
}
