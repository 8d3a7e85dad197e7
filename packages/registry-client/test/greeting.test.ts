import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { greet } from '../src/greeting.js';
import { createRegistryClient } from '../src/index.js';
import { ScriptedServer, type ServerOptions } from './scripted-server.js';

const servers: AsyncDisposable[] = [];

afterEach(async () => {
  for (const server of servers.splice(0)) await server[Symbol.asyncDispose]();
});

async function start(options: ServerOptions): Promise<ScriptedServer> {
  const server = await ScriptedServer.start((_, response) => void response.end(), options);
  servers.push(server);
  return server;
}

/** Takes connections, and says nothing. */
async function startSilent(): Promise<{ readonly host: string; readonly connected: Promise<unknown> }> {
  const server = createServer((socket) => void socket.on('error', () => undefined).resume());
  const connected = once(server, 'connection');
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  servers.push({
    [Symbol.asyncDispose]: async () => {
      server.close();
      await once(server, 'close');
    },
  });
  return { host: `127.0.0.1:${(server.address() as AddressInfo).port}`, connected };
}

const urlOf = ({ host }: { readonly host: string }) => new URL(`https://${host}/v2/`);
const unaborted = new AbortController().signal;

describe('greet', () => {
  it('fails where the answer is none of TLS', async () => {
    const plain = await start({});
    await expect(greet(urlOf(plain), 5_000, unaborted)).rejects.toMatchObject({ code: 'ERR_SSL_WRONG_VERSION_NUMBER' });
    expect(plain.requests).toEqual([]);
  });

  it.each<ServerOptions>([{}, { clients: true }])(
    'trusts nobody, and leaves the rest to others, where it is: %j',
    async (options) => {
      const server = await start({ tls: true, ...options });
      await greet(urlOf(server), 5_000, unaborted);
      expect(server.requests).toEqual([]);
    },
  );

  it('leaves it to others where nothing listens or nothing comes', async () => {
    const closed = urlOf(await start({}));
    await servers.pop()?.[Symbol.asyncDispose]();
    await greet(closed, 5_000, unaborted);
    await greet(urlOf(await startSilent()), 50, unaborted);
  });

  it('ends with the signal', async () => {
    const silent = await startSilent();
    const controller = new AbortController();
    const greeted = greet(urlOf(silent), 600_000, controller.signal);
    await silent.connected;
    controller.abort();
    await greeted;
    await greet(urlOf(silent), 600_000, controller.signal);
  });
});

it('a registry of this host whose certificate is not trusted is not spoken to over plain HTTP', async () => {
  const server = await start({ tls: true });
  await expect(createRegistryClient().ping(server.host)).rejects.toMatchObject({
    code: 'UNREACHABLE',
    message: expect.stringContaining('certificate is not trusted'),
  });
  expect(server.requests).toEqual([]);
});
