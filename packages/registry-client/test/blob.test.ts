import { getEventListeners, once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { isGantryError, type ProgressEvent } from '@gantry/interface';
import { afterEach, describe, expect, it } from 'vitest';
import { createRegistryClient, type RegistryClientOptions } from '../src/index.js';
import { collect, describeBlob, digestOf, noise, type Script, ScriptedServer } from './scripted-server.js';

const quick = {
  timeouts: { progressMs: 5000, progressBytes: 1024 },
  retries: { baseMs: 1 },
} satisfies RegistryClientOptions;

/** For servers that stall. */
const impatient = { ...quick, timeouts: { progressMs: 200, progressBytes: 1024 } } satisfies RegistryClientOptions;

let server: ScriptedServer;
afterEach(() => server[Symbol.asyncDispose]());

const content = noise(300_000);
const blob = describeBlob(content);

/** Serves the blob after the given faults, one a request. */
function faulty(...faults: readonly ((response: ServerResponse, range: string | undefined) => void)[]): Script {
  const left = [...faults];
  return ({ headers }, response) => {
    const fault = left.shift();
    if (fault) return fault(response, headers.range);
    serve(response, headers.range);
  };
}

function serve(response: ServerResponse, range: string | undefined): void {
  const from = Number(/^bytes=(\d+)-$/.exec(range ?? '')?.[1] ?? 0);
  const part = content.subarray(from);
  response.setHeader('content-length', part.length);
  if (from > 0) response.setHeader('content-range', `bytes ${from}-${content.length - 1}/${content.length}`);
  response.writeHead(from > 0 ? 206 : 200).end(part);
}

/** Sends the first bytes under the right length and then breaks the connection. */
const breakAfter = (bytes: number) => (response: ServerResponse) => {
  response.writeHead(200, { 'content-length': content.length });
  response.write(content.subarray(0, bytes), () => response.destroy());
};

describe('getBlob', () => {
  it('streams a blob and reports its progress', async () => {
    server = await ScriptedServer.start(faulty());
    const events: ProgressEvent[] = [];
    const client = createRegistryClient(quick);
    const got = await collect(client.getBlob(server.repository(), blob, { onProgress: (event) => events.push(event) }));
    expect(got.equals(content)).toBe(true);
    expect(server.seen).toEqual([`GET /v2/team/app/blobs/${blob.digest}`]);
    expect(server.requests[0]?.headers['accept-encoding']).toBe('identity');
    expect(events[0]).toEqual({ type: 'fetching', digest: blob.digest, current: 0, total: blob.size });
    expect(events.at(-1)).toEqual({ type: 'fetched', digest: blob.digest, total: blob.size, cached: false });
    expect(events.filter((event) => event.type === 'fetching').length).toBeGreaterThan(1);
  });

  it('streams an empty blob', async () => {
    server = await ScriptedServer.start((_, response) => void response.writeHead(200, { 'content-length': 0 }).end());
    expect(
      await collect(createRegistryClient(quick).getBlob(server.repository(), describeBlob(Buffer.alloc(0)))),
    ).toHaveLength(0);
  });

  it('verifies a sha512 blob with sha512', async () => {
    server = await ScriptedServer.start(faulty());
    const client = createRegistryClient(quick);
    const right = { ...blob, digest: digestOf(content, 'sha512') };
    expect(await collect(client.getBlob(server.repository(), right))).toHaveLength(content.length);
    const wrong = { ...blob, digest: digestOf(noise(10), 'sha512') };
    await expect(collect(client.getBlob(server.repository(), wrong))).rejects.toMatchObject({
      code: 'DIGEST_MISMATCH',
    });
  });

  it('does not decompress what a server calls compressed', async () => {
    server = await ScriptedServer.start((_, response) => {
      response.writeHead(200, { 'content-encoding': 'gzip', 'content-length': content.length }).end(content);
    });
    expect((await collect(createRegistryClient(quick).getBlob(server.repository(), blob))).equals(content)).toBe(true);
  });

  it.each([1, 65_536, 299_999])('resumes after a reset at byte %i', async (bytes) => {
    server = await ScriptedServer.start(faulty(breakAfter(bytes)));
    const events: ProgressEvent[] = [];
    const options = { onProgress: (event: ProgressEvent) => void events.push(event) };
    const got = await collect(createRegistryClient(quick).getBlob(server.repository(), blob, options));
    expect(got.equals(content)).toBe(true);
    expect(server.requests).toHaveLength(2);
    expect(server.requests[1]?.headers.range).toMatch(/^bytes=\d+-$/);
    expect(events.filter((event) => event.type === 'retrying')).toHaveLength(1);
  });

  it('goes on when the range is ignored', async () => {
    server = await ScriptedServer.start(faulty(breakAfter(100_000), (response) => serve(response, undefined)));
    expect((await collect(createRegistryClient(quick).getBlob(server.repository(), blob))).equals(content)).toBe(true);
  });

  it.each([
    ['a wrong start', 'bytes 0-299999/300000'],
    ['a wrong end', 'bytes 100000-200000/300000'],
    ['another total', 'bytes 100000-299999/300001'],
    ['no sense', 'bytes ?'],
  ])('starts again when the range has %s', async (_, contentRange) => {
    const wrongRange = (response: ServerResponse) => {
      response.writeHead(206, { 'content-range': contentRange }).end(content.subarray(50_000));
    };
    server = await ScriptedServer.start(faulty(breakAfter(100_000), wrongRange));
    expect((await collect(createRegistryClient(quick).getBlob(server.repository(), blob))).equals(content)).toBe(true);
    expect(server.requests.map((request) => request.headers.range !== undefined)).toEqual([false, true, false]);
  });

  it('starts again when the range is called unsatisfiable', async () => {
    const unsatisfiable = (response: ServerResponse) => void response.writeHead(416).end();
    server = await ScriptedServer.start(faulty(breakAfter(100_000), unsatisfiable));
    expect((await collect(createRegistryClient(quick).getBlob(server.repository(), blob))).equals(content)).toBe(true);
  });

  it('notices that the content changed between two responses', async () => {
    const changed = (response: ServerResponse) => {
      const other = Buffer.from(content);
      other.writeUInt8(content.readUInt8(200_000) ^ 1, 200_000);
      response.writeHead(200, { 'content-length': other.length }).end(other);
    };
    server = await ScriptedServer.start(faulty(breakAfter(100_000), changed));
    await expect(collect(createRegistryClient(quick).getBlob(server.repository(), blob))).rejects.toMatchObject({
      code: 'DIGEST_MISMATCH',
    });
  });

  it('gives up after five broken streams, however far each came', async () => {
    server = await ScriptedServer.start(faulty(...[1, 2, 3, 4, 5, 6].map(() => breakAfter(10))));
    await expect(collect(createRegistryClient(quick).getBlob(server.repository(), blob))).rejects.toMatchObject({
      code: 'REGISTRY_ERROR',
    });
    expect(server.requests).toHaveLength(5);
  });

  it('refuses content of another digest', async () => {
    server = await ScriptedServer.start((_, response) => void response.end(noise(300_000).reverse()));
    await expect(collect(createRegistryClient(quick).getBlob(server.repository(), blob))).rejects.toMatchObject({
      code: 'DIGEST_MISMATCH',
      details: { digest: blob.digest },
    });
    expect(server.requests).toHaveLength(1);
  });

  it.each([-1, 1])('refuses a declared length that is off by %i without reading the body', async (difference) => {
    const closed: Promise<unknown>[] = [];
    server = await ScriptedServer.start((_, response) => {
      closed.push(once(response, 'close'));
      response.writeHead(200, { 'content-length': content.length + difference }).flushHeaders();
    });
    await expect(collect(createRegistryClient(quick).getBlob(server.repository(), blob))).rejects.toMatchObject({
      code: 'SIZE_MISMATCH',
    });
    await Promise.all(closed);
    expect(server.requests).toHaveLength(1);
  });

  it('never hands out more than the size, and notices one byte more', async () => {
    server = await ScriptedServer.start((_, response) => {
      response.write(content, () => response.end('x'));
    });
    let length = 0;
    const reading = async () => {
      for await (const chunk of createRegistryClient(quick).getBlob(server.repository(), blob)) length += chunk.length;
    };
    await expect(reading()).rejects.toMatchObject({ code: 'SIZE_MISMATCH' });
    expect(length).toBeLessThanOrEqual(blob.size);
  });

  it('ends an endless body at the size', async () => {
    const closed: Promise<unknown>[] = [];
    server = await ScriptedServer.start((_, response) => {
      closed.push(once(response, 'close'));
      const pump = () => {
        while (!response.destroyed && response.write(Buffer.alloc(65_536)));
        response.once('drain', pump);
      };
      pump();
    });
    await expect(collect(createRegistryClient(quick).getBlob(server.repository(), blob))).rejects.toMatchObject({
      code: 'SIZE_MISMATCH',
    });
    await Promise.all(closed);
  });

  it('reports a body that always ends too soon as a size mismatch', async () => {
    server = await ScriptedServer.start(({ headers }, response) => {
      // Without Content-Length nothing but the descriptor tells that bytes are missing.
      if (headers.range) response.writeHead(416).end();
      else response.end(content.subarray(0, 1000));
    });
    await expect(collect(createRegistryClient(quick).getBlob(server.repository(), blob))).rejects.toMatchObject({
      code: 'SIZE_MISMATCH',
    });
    expect(server.requests.length).toBeLessThanOrEqual(5);
  });

  it.each([
    ['a stall before the head', () => undefined],
    ['a stall in the body', (response: ServerResponse) => void response.write(content.subarray(0, 5000))],
    [
      'a drip',
      (response: ServerResponse) => {
        response.writeHead(200, { 'content-length': content.length });
        const timer = setInterval(() => response.write('x'), 10);
        response.once('close', () => clearInterval(timer));
      },
    ],
  ])('times out on %s', async (_, fault) => {
    server = await ScriptedServer.start((__, response) => fault(response));
    const client = createRegistryClient({ ...impatient, retries: { attempts: 2, baseMs: 1 } });
    await expect(collect(client.getBlob(server.repository(), blob))).rejects.toMatchObject({ code: 'TIMEOUT' });
    expect(server.requests).toHaveLength(2);
  });

  it('resumes after a stall', async () => {
    server = await ScriptedServer.start(
      faulty((response) => {
        response.writeHead(200, { 'content-length': content.length });
        response.write(content.subarray(0, 100_000));
      }),
    );
    expect((await collect(createRegistryClient(impatient).getBlob(server.repository(), blob))).equals(content)).toBe(
      true,
    );
  });

  it('accepts a stream that stalls after its last byte', async () => {
    server = await ScriptedServer.start((_, response) => void response.write(content));
    expect((await collect(createRegistryClient(impatient).getBlob(server.repository(), blob))).equals(content)).toBe(
      true,
    );
    expect(server.requests).toHaveLength(1);
  });

  it('does not count the time in which the consumer is busy', async () => {
    server = await ScriptedServer.start(faulty());
    let length = 0;
    for await (const chunk of createRegistryClient(impatient).getBlob(server.repository(), blob)) {
      if (length === 0) await new Promise((resolve) => setTimeout(resolve, 2 * impatient.timeouts.progressMs));
      length += chunk.length;
    }
    expect(length).toBe(content.length);
    expect(server.requests).toHaveLength(1);
  });

  it('ends at the total deadline, whatever is left to retry', async () => {
    server = await ScriptedServer.start((_, response) => void response.write(content.subarray(0, 10)));
    const client = createRegistryClient({ timeouts: { totalMs: 100 } });
    await expect(collect(client.getBlob(server.repository(), blob))).rejects.toMatchObject({ code: 'TIMEOUT' });
  });

  it('destroys the request when the iteration is abandoned', async () => {
    const closed: Promise<unknown>[] = [];
    server = await ScriptedServer.start((_, response) => {
      closed.push(once(response, 'close'));
      response.writeHead(200, { 'content-length': content.length }).write(content.subarray(0, 5000));
    });
    for await (const chunk of createRegistryClient().getBlob(server.repository(), blob)) {
      expect(chunk.length).toBeGreaterThan(0);
      break;
    }
    await Promise.all(closed);
    expect(closed).toHaveLength(1);
  });

  it('stops within milliseconds when the signal fires, and leaves no listener on it', async () => {
    const closed: Promise<unknown>[] = [];
    server = await ScriptedServer.start((_, response) => {
      closed.push(once(response, 'close'));
      response.writeHead(200, { 'content-length': content.length }).write(content.subarray(0, 5000));
    });
    const controller = new AbortController();
    const reason = new Error('enough');
    let firedAt = 0;
    const reading = async () => {
      for await (const _ of createRegistryClient().getBlob(server.repository(), blob, { signal: controller.signal })) {
        setTimeout(() => {
          firedAt = performance.now();
          controller.abort(reason);
        }, 10);
      }
    };
    await expect(reading()).rejects.toMatchObject({ code: 'ABORTED', cause: reason });
    expect(performance.now() - firedAt).toBeLessThan(1000);
    expect(getEventListeners(controller.signal, 'abort')).toHaveLength(0);
    await Promise.all(closed);
  });

  it('does nothing at all for a signal that has fired', async () => {
    server = await ScriptedServer.start(faulty());
    const reading = collect(createRegistryClient().getBlob(server.repository(), blob, { signal: AbortSignal.abort() }));
    await expect(reading).rejects.toMatchObject({ code: 'ABORTED' });
    expect(server.requests).toHaveLength(0);
  });

  it('keeps to the number of requests at once', async () => {
    let open = 0;
    let most = 0;
    server = await ScriptedServer.start(({ headers }, response) => {
      most = Math.max(most, ++open);
      response.once('close', () => open--);
      setImmediate(() => serve(response, headers.range));
    });
    const client = createRegistryClient({ ...quick, maxConcurrent: 3 });
    await Promise.all(Array.from({ length: 12 }, () => collect(client.getBlob(server.repository(), blob))));
    expect(server.requests).toHaveLength(12);
    expect(most).toBeLessThanOrEqual(3);
  });

  it.each([
    ['an escaping repository', { repository: '../../x' }, {}],
    ['a host as repository', { repository: '/evil.example/x' }, {}],
    ['a query', { repository: 'team/app?x' }, {}],
    ['a bad digest', {}, { digest: 'sha256:../../x' as const }],
    ['a negative size', {}, { size: -1 }],
    ['an unsafe size', {}, { size: 2 ** 53 }],
  ])('refuses %s before it asks', async (_, reference, descriptor) => {
    server = await ScriptedServer.start(faulty());
    const reading = collect(
      createRegistryClient().getBlob({ ...server.repository(), ...reference }, { ...blob, ...descriptor }),
    );
    await expect(reading).rejects.toSatisfy((error) => isGantryError(error, 'INVALID_ARGUMENT'));
    expect(server.requests).toHaveLength(0);
  });
});
