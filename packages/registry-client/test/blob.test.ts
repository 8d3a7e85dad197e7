import { getEventListeners, once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { isGantryError, type ProgressEvent } from '@gantry/interface';
import { afterEach, describe, expect, it } from 'vitest';
import { createRegistryClient, type RegistryClientOptions } from '../src/index.js';
import { collect, describeBlob, noise, type Script, ScriptedServer } from './scripted-server.js';

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

  it('does not decompress what a server calls compressed', async () => {
    server = await ScriptedServer.start((_, response) => {
      response.writeHead(200, { 'content-encoding': 'gzip', 'content-length': content.length }).end(content);
    });
    expect((await collect(createRegistryClient(quick).getBlob(server.repository(), blob))).equals(content)).toBe(true);
  });

  it('starts again when the range is called unsatisfiable', async () => {
    const unsatisfiable = (response: ServerResponse) => void response.writeHead(416).end();
    server = await ScriptedServer.start(faulty(breakAfter(100_000), unsatisfiable));
    expect((await collect(createRegistryClient(quick).getBlob(server.repository(), blob))).equals(content)).toBe(true);
  });

  it('gives up after five broken streams, however far each came', async () => {
    server = await ScriptedServer.start(faulty(...[1, 2, 3, 4, 5, 6].map(() => breakAfter(10))));
    await expect(collect(createRegistryClient(quick).getBlob(server.repository(), blob))).rejects.toMatchObject({
      code: 'REGISTRY_ERROR',
    });
    expect(server.requests).toHaveLength(5);
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
