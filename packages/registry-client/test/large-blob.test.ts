import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { createRegistryClient, type RegistryClientOptions } from '../src/index.js';
import { certificate, collect, describeBlob, noise, type Script, ScriptedServer } from './scripted-server.js';

/** Large enough to be read past the HTTP parser, and no multiple of a piece. */
const content = noise(6_400_123);
const blob = describeBlob(content);

const options = {
  ca: certificate,
  retries: { baseMs: 1 },
  timeouts: { progressMs: 300, progressBytes: 1024 },
} satisfies RegistryClientOptions;

let server: ScriptedServer;
afterEach(() => server[Symbol.asyncDispose]());

/** Serves the blob, or what is left of it, after the given faults, one a request. */
function faulty(...faults: readonly ((response: ServerResponse) => void)[]): Script {
  const left = [...faults];
  return ({ headers }, response) => {
    const from = Number(/^bytes=(\d+)-$/.exec(headers.range ?? '')?.[1] ?? 0);
    const part = content.subarray(from);
    response.setHeader('content-length', part.length);
    if (from > 0) response.setHeader('content-range', `bytes ${from}-${content.length - 1}/${content.length}`);
    response.writeHead(from > 0 ? 206 : 200);
    const fault = left.shift();
    if (fault) fault(response);
    else response.end(part);
  };
}

const breakAfter = (bytes: number) => (response: ServerResponse) => {
  response.flushHeaders();
  response.write(content.subarray(0, bytes), () => response.destroy());
};

describe.each([
  ['plain HTTP', false],
  ['TLS', true],
])('a large blob over %s', (_, tls) => {
  const start = async (script: Script) => {
    server = await ScriptedServer.start(
      (request, response, raw) => (request.url === '/v2/' ? void response.end() : script(request, response, raw)),
      { tls },
    );
  };
  /** Without the question whether there is TLS. */
  const asked = () => server.requests.filter(({ url }) => url !== '/v2/');

  it('comes in pieces that stay as they are', async () => {
    await start(faulty());
    const chunks: Uint8Array[] = [];
    for await (const chunk of createRegistryClient(options).getBlob(server.repository(), blob)) chunks.push(chunk);
    expect(Buffer.concat(chunks).equals(content)).toBe(true);
    expect(asked()).toHaveLength(1);
  });

  it('comes in memory that is used again when it is only lent', async () => {
    await start(faulty());
    const memories = new Set<ArrayBufferLike>();
    let at = 0;
    for await (const chunk of createRegistryClient(options).getBlob(server.repository(), blob).lent?.() ?? []) {
      expect(content.compare(chunk, 0, chunk.length, at, at + chunk.length)).toBe(0);
      at += chunk.length;
      if (chunk.buffer.byteLength === 1024 * 1024) memories.add(chunk.buffer);
    }
    expect(at).toBe(content.length);
    expect(memories.size).toBeGreaterThan(0);
    expect(memories.size).toBeLessThanOrEqual(3);
  });

  it.each([1, 16_384, 1_048_576, 3_000_000, content.length - 1])('resumes after a reset at byte %i', async (bytes) => {
    await start(faulty(breakAfter(bytes)));
    expect((await collect(createRegistryClient(options).getBlob(server.repository(), blob))).equals(content)).toBe(
      true,
    );
    expect(asked()).toHaveLength(2);
  });

  it('resumes after a stall, and after a body that ends too soon', async () => {
    await start(
      faulty(
        (response) => void response.write(content.subarray(0, 2_000_000)),
        (response) => void response.write(content.subarray(2_000_000, 4_500_000), () => response.socket?.end()),
      ),
    );
    expect((await collect(createRegistryClient(options).getBlob(server.repository(), blob))).equals(content)).toBe(
      true,
    );
    expect(asked().map(({ headers }) => headers.range)).toEqual([undefined, 'bytes=2000000-', 'bytes=4500000-']);
  });

  it('gets there although it comes in drops, as long as enough of them do', async () => {
    await start(
      faulty((response) => {
        let at = 0;
        const drop = () => {
          response.write(content.subarray(at, at + 250_000));
          at += 250_000;
          if (at < content.length) setTimeout(drop, 2);
          else response.end();
        };
        drop();
      }),
    );
    expect((await collect(createRegistryClient(options).getBlob(server.repository(), blob))).equals(content)).toBe(
      true,
    );
    expect(asked()).toHaveLength(1);
  });

  it('times out on a drip', async () => {
    await start((_request, response) => {
      response.writeHead(200, { 'content-length': content.length });
      const timer = setInterval(() => response.write('x'), 10);
      response.once('close', () => clearInterval(timer));
    });
    const client = createRegistryClient({ ...options, retries: { attempts: 2, baseMs: 1 } });
    await expect(collect(client.getBlob(server.repository(), blob))).rejects.toMatchObject({ code: 'TIMEOUT' });
  });

  it('is refused if one bit of it is wrong', async () => {
    const wrong = Buffer.from(content);
    wrong.writeUInt8(wrong.readUInt8(5_000_000) ^ 1, 5_000_000);
    await start((_request, response) => void response.writeHead(200, { 'content-length': wrong.length }).end(wrong));
    await expect(collect(createRegistryClient(options).getBlob(server.repository(), blob))).rejects.toMatchObject({
      code: 'DIGEST_MISMATCH',
    });
  });

  it('holds the server back while nobody takes it, and lets go of it when nobody wants it', async () => {
    const closed: Promise<unknown>[] = [];
    let sent = () => 0;
    await start((_request, response) => {
      closed.push(once(response, 'close'));
      const { socket } = response;
      sent = () => socket?.bytesWritten ?? 0;
      response.writeHead(200, { 'content-length': 2 ** 30 });
      const piece = Buffer.alloc(65_536);
      const pump = () => {
        while (!response.destroyed && response.write(piece));
        response.once('drain', pump);
      };
      pump();
    });
    const huge = { ...blob, size: 2 ** 30 };
    for await (const chunk of createRegistryClient(options).getBlob(server.repository(), huge)) {
      expect(chunk.length).toBeGreaterThan(0);
      let before: number;
      do {
        before = sent();
        await sleep(50);
      } while (sent() > before);
      // The buffers of two kernels and the pieces that wait.
      expect(sent()).toBeLessThan(64 * 1024 * 1024);
      break;
    }
    await Promise.all(closed);
    expect(closed).toHaveLength(1);
  });

  it('stops at once when the signal fires', async () => {
    const closed: Promise<unknown>[] = [];
    await start((_request, response) => {
      closed.push(once(response, 'close'));
      response.writeHead(200, { 'content-length': content.length }).write(content.subarray(0, 3_000_000));
    });
    const controller = new AbortController();
    const reading = async () => {
      const stream = createRegistryClient({ ca: certificate }).getBlob(server.repository(), blob, {
        signal: controller.signal,
      });
      for await (const chunk of stream) if (chunk.length > 0) setImmediate(() => controller.abort());
    };
    await expect(reading()).rejects.toMatchObject({ code: 'ABORTED' });
    await Promise.all(closed);
  });
});
