import type { IncomingHttpHeaders } from 'node:http';

/** What is sent after the head. */
export interface ReplyBody {
  /** Bytes. */
  readonly size: number;
  /** Streams the bytes from `start` up to, not including, `end`. */
  read(start: number, end: number): AsyncIterable<Uint8Array>;
}

/** An answer as plain data: handlers make one, faults change it, `send` carries it out. */
export interface Reply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: ReplyBody;
  /** The body may be asked for in parts (RFC 9110, section 14). */
  readonly ranges?: boolean;
}

export function bytesBody(bytes: Uint8Array): ReplyBody {
  return {
    size: bytes.length,
    async *read(start, end) {
      if (end > start) yield bytes.subarray(start, end);
    },
  };
}

export function jsonReply(status: number, value: unknown, headers: Readonly<Record<string, string>> = {}): Reply {
  return {
    status,
    headers: { 'Content-Type': 'application/json', ...headers },
    body: bytesBody(Buffer.from(JSON.stringify(value))),
  };
}

/** An error in the protocol's own form. OCI distribution-spec, spec.md#error-codes. */
export function refusal(
  status: number,
  code: string,
  message: string,
  headers: Readonly<Record<string, string>> = {},
): Reply {
  return jsonReply(status, { errors: [{ code, message }] }, headers);
}

/** Cuts a reply down to the one range that the request asks for; other forms of Range are ignored, as the protocol allows. */
export function inRange(reply: Reply, { range }: IncomingHttpHeaders): Reply {
  const { body } = reply;
  if (!reply.ranges || reply.status !== 200 || !body) return reply;
  const whole = { ...reply, headers: { ...reply.headers, 'Accept-Ranges': 'bytes' } };
  const asked = /^bytes=(\d+)-(\d*)$/.exec(range ?? '');
  if (!asked) return whole;
  const start = Number(asked[1]);
  const end = Math.min(asked[2] === '' ? body.size : Number(asked[2]) + 1, body.size);
  if (start >= end) {
    return refusal(416, 'BLOB_UPLOAD_INVALID', `range ${range} of ${body.size} bytes`, {
      'Content-Range': `bytes */${body.size}`,
    });
  }
  return {
    ...whole,
    status: 206,
    headers: { ...whole.headers, 'Content-Range': `bytes ${start}-${end - 1}/${body.size}` },
    body: { size: end - start, read: (from, to) => body.read(start + from, start + to) },
  };
}
