import { afterEach, describe, expect, it } from 'vitest';
import { createRegistryClient } from '../src/index.js';
import { ScriptedServer } from './scripted-server.js';

const servers: ScriptedServer[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) await server[Symbol.asyncDispose]();
});

const digest = `sha256:${'0'.repeat(64)}` as const;

/** Answers only when told to, and knows how many wait. */
async function holding() {
  const held: (() => void)[] = [];
  let most = 0;
  const server = await ScriptedServer.start(async (_, response) => {
    await new Promise<void>((resolve) => {
      held.push(resolve);
      most = Math.max(most, held.length);
    });
    response.end();
  });
  servers.push(server);
  const letGo = () => {
    for (const answer of held.splice(0)) answer();
  };
  return { server, held, letGo, most: () => most };
}

describe('requests at once', () => {
  it('are limited for each host, and one that is full keeps no other waiting', async () => {
    const slow = await holding();
    const other = await holding();
    const client = createRegistryClient({ maxConcurrentPerHost: 2, maxConcurrent: 3 });
    const ask = (server: ScriptedServer) => client.hasBlob(server.repository(), digest);
    const asked = Array.from({ length: 7 }, () => ask(slow.server));
    await expect.poll(() => slow.held.length).toBe(2);
    const elsewhere = ask(other.server);
    await expect.poll(() => other.held.length).toBe(1);
    other.letGo();
    await elsewhere;
    for (let left = asked.length; left > 0; left -= 2) {
      await expect.poll(() => slow.held.length).toBe(Math.min(2, left));
      slow.letGo();
    }
    await Promise.all(asked);
    expect(slow.most()).toBe(2);
  });

  it('are limited in all', async () => {
    const hosts = [await holding(), await holding(), await holding()];
    const client = createRegistryClient({ maxConcurrent: 2 });
    const asked = hosts.map(({ server }) => client.hasBlob(server.repository(), digest));
    const waiting = () => hosts.reduce((sum, { held }) => sum + held.length, 0);
    await expect.poll(waiting).toBe(2);
    for (const { letGo } of hosts) letGo();
    await expect.poll(waiting).toBe(1);
    for (const { letGo } of hosts) letGo();
    await Promise.all(asked);
  });

  it('that are aborted while they wait give their place away', async () => {
    const slow = await holding();
    const client = createRegistryClient({ maxConcurrentPerHost: 1 });
    const first = client.hasBlob(slow.server.repository(), digest);
    await expect.poll(() => slow.held.length).toBe(1);
    const controller = new AbortController();
    const second = client.hasBlob(slow.server.repository(), digest, { signal: controller.signal });
    const third = client.hasBlob(slow.server.repository(), digest);
    controller.abort();
    await expect(second).rejects.toMatchObject({ code: 'ABORTED' });
    slow.letGo();
    await first;
    await expect.poll(() => slow.held.length).toBe(1);
    slow.letGo();
    await third;
    expect(slow.server.requests.filter(({ url }) => url !== '/v2/')).toHaveLength(2);
  });
});
