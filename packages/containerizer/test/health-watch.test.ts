import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import { type AddressInfo, connect, createServer as createTcpServer, type Server, type Socket } from 'node:net';
import { type ContainerState, type ContainerStatus, GantryError, raceAbort } from '@gantry/interface';
import { afterEach, describe, expect, it } from 'vitest';
import type { HealthCheck } from '../src/health/check.js';
import { checkHealth, type HealthOptions, type HealthResult, type HealthTarget } from '../src/health/watch.js';

const servers: Server[] = [];

afterEach(async () => {
  for (const server of servers.splice(0)) await new Promise((resolve) => server.close(resolve));
});

async function listening(server: Server): Promise<number> {
  servers.push(server.listen(0, '127.0.0.1'));
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

/** A server that says this and nothing else, and reads on. */
const saying = (words: string) =>
  listening(
    createTcpServer((socket) =>
      socket
        .on('error', () => undefined)
        .resume()
        .write(words),
    ),
  );

const web = (answer: RequestListener) => listening(createServer(answer));

/** A container whose network is the host's. */
class Neighbour implements HealthTarget {
  state: ContainerState = 'RUNNING';
  /** When it started, milliseconds before now. */
  age = 0;
  readonly connections: Socket[] = [];
  #end: () => void = () => undefined;
  readonly #ended = new Promise<void>((resolve) => {
    this.#end = resolve;
  });

  end(): void {
    this.state = 'DESTROYED';
    this.#end();
  }

  connect: HealthTarget['connect'] = async (_, port, { signal } = {}) => {
    const socket = connect(port, '127.0.0.1');
    this.connections.push(socket);
    try {
      await once(socket, 'connect', signal ? { signal } : {});
    } catch (cause) {
      throw new GantryError('UNREACHABLE', `nobody listens on port ${port}`, { cause });
    }
    return socket;
  };

  exec: HealthTarget['exec'] = async () => {
    throw new GantryError('LAUNCH_FAILED', 'there is no such program');
  };

  status: HealthTarget['status'] = async (id): Promise<ContainerStatus> => {
    const startedAt = Date.now() - this.age;
    return {
      ...{ id, state: this.state, labels: {}, createdAt: startedAt, startedAt, stopSignal: 'SIGTERM' },
      ...{ timings: {}, failedSteps: [] },
    };
  };

  wait: HealthTarget['wait'] = async (id, { signal } = {}) => {
    await raceAbort(this.#ended, signal, 'waiting');
    return { id, destroyed: false, at: Date.now() };
  };
}

const often = { intervalMs: 1, timeoutMs: 5000 };

/** The first results of a check, as many as are wanted. */
async function results(target: HealthTarget, check: HealthCheck, count = 1, options: HealthOptions = {}) {
  const found: HealthResult[] = [];
  await using watch = await checkHealth(target, 'neighbour', { ...often, ...check }, options);
  for await (const result of watch) {
    found.push(result);
    if (found.length === count) break;
  }
  return found;
}

async function answer(check: HealthCheck, target = new Neighbour()): Promise<string> {
  const [result] = await results(target, check);
  await Promise.all(target.connections.map((socket) => socket.destroyed || once(socket, 'close')));
  return `${result?.healthy ? 'healthy' : 'unhealthy'}: ${result?.message}`;
}

describe('asking over HTTP', () => {
  it('goes by the status, and sends path and headers', async () => {
    const port = await web(({ url, method, headers: { host, colour } }, response) => {
      response.writeHead(url === '/health?deep' ? 204 : 404).end();
      expect({ method, host, colour }).toEqual({ method: 'GET', host: `localhost:${port}`, colour: 'red' });
    });
    const http = { type: 'http', port, headers: { colour: 'red' } } as const;
    expect(await answer({ ...http, path: '/health?deep' })).toBe('healthy: HTTP status 204');
    expect(await answer(http)).toBe('unhealthy: HTTP status 404');
    expect(await answer({ ...http, expect: { from: 400, to: 404 } })).toBe('healthy: HTTP status 404');
    expect(await answer({ ...http, expect: { from: 405, to: 500 } })).toBe('unhealthy: HTTP status 404');
  });

  it('does not follow a redirect, and does not wait for the body', async () => {
    const moved = await web((_, response) => response.writeHead(302, { location: 'http://localhost:1/' }).end());
    expect(await answer({ type: 'http', port: moved })).toBe('healthy: HTTP status 302');
    const endless = await web((_, response) => response.writeHead(200).write('x'));
    expect(await answer({ type: 'http', port: endless })).toBe('healthy: HTTP status 200');
  });

  it('takes nonsense, silence and a closed door for failures, and closes every connection', async () => {
    const garbage = await saying('SSH-2.0\r\n');
    expect(await answer({ type: 'http', port: garbage })).toMatch(/^unhealthy: .*Parse Error/);
    const mute = await saying('');
    expect(await answer({ type: 'http', port: mute, timeoutMs: 30 })).toBe('unhealthy: no answer within 30 ms');
    const rude = await listening(createTcpServer((socket) => socket.destroy()));
    expect(await answer({ type: 'http', port: rude })).toMatch(/^unhealthy: .*(hang up|ECONNRESET)/);
    const shut = await listening(createTcpServer());
    await new Promise((resolve) => servers.pop()?.close(resolve));
    expect(await answer({ type: 'http', port: shut })).toBe(`unhealthy: nobody listens on port ${shut}`);
    expect(await answer({ type: 'tcp', port: shut })).toBe(`unhealthy: nobody listens on port ${shut}`);
    const open = await saying('');
    expect(await answer({ type: 'tcp', port: open })).toBe(`healthy: port ${open} is open`);
  });
});

describe('watching', () => {
  const command = { type: 'command', command: ['none'] } as const;

  it('tells of changes only, in order with the results', async () => {
    const row = [500, 500, 200, 500, 500, 500, 500, 200];
    let asked = 0;
    const port = await web((_, response) => response.writeHead(row[asked++] ?? 200).end());
    const changes: unknown[] = [];
    const check = { type: 'http', port, failures: 3 } as const;
    const found = await results(new Neighbour(), check, row.length, {
      onChange: (state, result) => changes.push([state, result.message]),
    });
    expect(found.map(({ state }) => state[0])).toEqual(['u', 'u', 'h', 'h', 'h', 'u', 'u', 'h']);
    expect(changes).toEqual([
      ['healthy', 'HTTP status 200'],
      ['unhealthy', 'HTTP status 500'],
      ['healthy', 'HTTP status 200'],
    ]);
  });

  it('counts delay and grace from the start of the container, whenever the watch began', async () => {
    const young = new Neighbour();
    const [first] = await results(young, { ...command, delayMs: 80, failures: 1 });
    expect(Date.now() - (first?.at ?? 0)).toBeLessThan(70);
    const start = Date.now();
    const found = await results(young, { ...command, delayMs: 60, gracePeriodMs: 60_000, failures: 1 }, 3);
    expect((found[0]?.at ?? 0) - start).toBeGreaterThanOrEqual(58);
    expect(found.map(({ state }) => state)).toEqual(['unknown', 'unknown', 'unknown']);
    const old = new Neighbour();
    old.age = 100_000;
    const late = await results(old, { ...command, delayMs: 90_000, gracePeriodMs: 60_000, failures: 1 });
    expect(late.map(({ state }) => state)).toEqual(['unhealthy']);
  });

  it('ends with the container, and is not begun for one that has ended', async () => {
    const target = new Neighbour();
    await using watch = await checkHealth(target, 'neighbour', { ...command, ...often, intervalMs: 1000 });
    const seen: string[] = [];
    for await (const { message } of watch) {
      seen.push(message);
      target.end();
    }
    expect(seen).toEqual(['there is no such program']);
    await expect(checkHealth(target, 'neighbour', command)).rejects.toMatchObject({ code: 'WRONG_STATE' });
  });

  it('takes no answer of one that ended a moment before its state says so', async () => {
    const target = new Neighbour();
    let asked = 0;
    target.exec = async () => {
      if (++asked === 1) throw new GantryError('LAUNCH_FAILED', 'answer 1');
      setImmediate(() => target.end());
      throw new GantryError('WRONG_STATE', 'it has ended');
    };
    const found = await results(target, command, 2);
    expect(found.map(({ message }) => message)).toEqual(['answer 1']);
  });

  it('asks nothing of a container that is paused, and takes no answer that it could not give', async () => {
    const target = new Neighbour();
    let asked = 0;
    target.exec = async () => {
      // Paused between the question and the answer.
      if (++asked === 3) target.state = 'PAUSED';
      throw new GantryError('LAUNCH_FAILED', `answer ${asked}`);
    };
    let looks = 0;
    const { status } = target;
    target.status = async (id) => {
      if (target.state === 'PAUSED' && ++looks === 5) target.state = 'RUNNING';
      return status(id);
    };
    const found = await results(target, command, 4);
    expect(found.map(({ message }) => message)).toEqual(['answer 1', 'answer 2', 'answer 4', 'answer 5']);
    expect(looks).toBeGreaterThanOrEqual(5);
  });

  it('stops when it is disposed or aborted, also within a probe', async () => {
    const asked: AbortSignal[] = [];
    const target = new Neighbour();
    target.exec = async (_id, _spec, { signal } = {}) => {
      if (!signal) throw new Error('there is no signal');
      asked.push(signal);
      return raceAbort(new Promise<never>(() => undefined), signal, 'exec');
    };
    const disposed = await checkHealth(target, 'neighbour', { ...command, timeoutMs: 100_000 });
    await expect.poll(() => asked.length).toBe(1);
    await disposed[Symbol.asyncDispose]();
    expect(asked[0]?.aborted).toBe(true);
    for await (const result of disposed) expect.fail(result.message);

    const controller = new AbortController();
    const aborted = await checkHealth(target, 'neighbour', command, { signal: controller.signal });
    const reading = aborted[Symbol.asyncIterator]().next();
    const reason = new Error('no more');
    controller.abort(reason);
    await expect(reading).rejects.toMatchObject({ code: 'ABORTED', cause: reason });
    await aborted[Symbol.asyncDispose]();
    await expect(checkHealth(target, 'neighbour', command, { signal: AbortSignal.abort() })).rejects.toMatchObject({
      code: 'ABORTED',
    });
  });

  it('keeps the last results for those who come late, and for a slow reader', async () => {
    const target = new Neighbour();
    let asked = 0;
    target.exec = async () => {
      if (++asked === 250) target.end();
      throw new GantryError('LAUNCH_FAILED', String(asked));
    };
    const watch = await checkHealth(target, 'neighbour', { ...command, ...often });
    await expect.poll(() => asked, { timeout: 10_000 }).toBe(250);
    const messages: string[] = [];
    for await (const { message } of watch) messages.push(message);
    expect(messages).toHaveLength(100);
    // The last one was asked of a container that ended meanwhile.
    expect(messages.at(-1)).toBe('249');
  });
});
