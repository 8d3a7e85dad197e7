import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ImageStore, ProgressEvent } from '@gantry/interface';
import { createRegistryClient } from '@gantry/registry-client';
import { startRegistry } from '@gantry/testkit';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createImageStore } from '../src/index.js';
import { makeGate } from './gate.js';
import { RegistryServer } from './registry-server.js';
import { blobRequests, serveImage } from './serve-image.js';
import { makeImage } from './test-image.js';

// Flushes to disk take what they take on a busy machine.
vi.setConfig({ testTimeout: 60_000 });

let root: string;
let server: RegistryServer;
let store: ImageStore;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'gantry-store-'));
  server = await RegistryServer.start();
  store = createImageStore({ root, registry: createRegistryClient() });
});

afterEach(async () => {
  await server[Symbol.asyncDispose]();
  await rm(root, { recursive: true });
});

describe('one pull for many callers', () => {
  it('fetches everything once for a hundred at once, and tells each of them', async () => {
    const image = makeImage();
    const reference = server.add('library/app', '1', image);
    const told = Array.from({ length: 100 }, (): ProgressEvent[] => []);
    const pulls = told.map((events) => store.pull(reference, { onProgress: (event) => events.push(event) }));
    const images = await Promise.all(pulls);
    expect(new Set(images.map(({ digest, cached }) => `${digest} ${cached}`)).size).toBe(1);
    expect([...server.gets].filter(([path]) => path !== '').map(([, count]) => count)).toEqual([1, 1, 1, 1, 1]);
    for (const events of told) expect(events).toEqual(told[0]);
    expect(told[0]?.filter((event) => event.type === 'fetched')).toHaveLength(image.blobs.size);
  });

  it('lets callers leave without harm to the one who stays', async () => {
    const gate = makeGate();
    server.onBlob = gate.pass;
    const reference = server.add('library/app', '1', makeImage());
    const leaving = Array.from({ length: 99 }, () => new AbortController());
    const left = leaving.map(({ signal }) => store.pull(reference, { signal }));
    const stays = store.pull(reference);
    await gate.reached;
    const reason = new Error('no longer wanted');
    for (const controller of leaving) controller.abort(reason);
    for (const result of await Promise.allSettled(left)) {
      expect(result).toMatchObject({ status: 'rejected', reason: { code: 'ABORTED', cause: reason } });
    }
    gate.open();
    expect((await stays).cached).toBe(false);
    expect(Math.max(...server.blobGets())).toBe(1);
  });

  it('stops when the last caller leaves, with nothing left behind, and can be started again', async () => {
    const gate = makeGate();
    const reference = server.add('library/app', '1', makeImage());
    server.firstBytes = 1000;
    server.onRest = gate.pass;
    const leaving = [new AbortController(), new AbortController()];
    const left = leaving.map(({ signal }) => store.pull(reference, { signal }));
    const settled = Promise.allSettled(left);
    await gate.reached;
    for (const controller of leaving) controller.abort();
    for (const result of await settled) expect(result).toMatchObject({ reason: { code: 'ABORTED' } });
    expect(await readdir(join(root, 'ingest'))).toEqual([]);
    expect(await store.get(reference)).toBeUndefined();

    server.firstBytes = Number.POSITIVE_INFINITY;
    expect((await store.pull(reference)).cached).toBe(false);
    gate.open();
  });

  it('closes the connection when the last of a hundred leaves, and none before', async () => {
    const gate = makeGate();
    const reference = server.add('library/app', '1', makeImage());
    server.firstBytes = 1000;
    server.onRest = gate.pass;
    const broken: string[] = [];
    const closed = makeGate();
    server.onBroken = (path) => {
      broken.push(path);
      void closed.pass();
    };
    const controllers = Array.from({ length: 100 }, () => new AbortController());
    const pulls = controllers.map(({ signal }) => store.pull(reference, { signal }));
    const settled = Promise.allSettled(pulls);
    await gate.reached;
    for (const controller of controllers.slice(1)) controller.abort();
    await Promise.allSettled(pulls.slice(1));
    expect(broken).toEqual([]);
    controllers[0]?.abort();
    await settled;
    await closed.reached;
    for (const folder of ['ingest', 'holds']) expect(await readdir(join(root, folder))).toEqual([]);
    expect(Math.max(...server.blobGets())).toBe(1);
  });

  it('downloads each blob once for a hundred, half of whom leave, as a registry counts', async () => {
    await using registry = await startRegistry();
    const image = makeImage();
    const reference = await serveImage(registry, 'library/app', image);
    using _slow = registry.fault({ path: /\/blobs\// }, { type: 'drip', bytes: 20_000, intervalMs: 20 });
    const controllers = Array.from({ length: 100 }, () => new AbortController());
    let isComing = false;
    const pulls = controllers.map(({ signal }, position) =>
      store.pull(reference, {
        signal,
        onProgress: (event) => {
          if (isComing || position > 0 || event.type !== 'resolved') return;
          isComing = true;
          for (const controller of controllers.slice(50)) controller.abort();
        },
      }),
    );
    const results = await Promise.allSettled(pulls);
    expect(results.slice(0, 50).every(({ status }) => status === 'fulfilled')).toBe(true);
    expect(results.slice(50).every(({ status }) => status === 'rejected')).toBe(true);
    expect(blobRequests(registry)).toEqual(new Map([...image.blobs.keys()].map((digest) => [digest, 1])));
    expect(registry.requests.filter(({ path }) => path.endsWith('/manifests/1'))).toHaveLength(1);
  });

  it('starts nothing for a caller who has left already', async () => {
    const reference = server.add('library/app', '1', makeImage());
    await expect(store.pull(reference, { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'ABORTED' });
    expect(server.gets.size).toBe(0);
  });

  it('tells a late caller what was found before', async () => {
    const gate = makeGate();
    server.onBlob = gate.pass;
    const image = makeImage();
    const reference = server.add('library/app', '1', image);
    const early = store.pull(reference);
    await gate.reached;
    const events: ProgressEvent[] = [];
    const late = store.pull(reference, { onProgress: (event) => events.push(event) });
    expect(events).toMatchObject([{ type: 'resolved', digest: image.top.descriptor.digest }]);
    gate.open();
    await Promise.all([early, late]);
    expect(Math.max(...server.blobGets())).toBe(1);
  });

  it.each(['username', 'password', 'identityToken', 'registryToken'])(
    'tells logins apart by their %s',
    async (field) => {
      const gate = makeGate();
      server.onBlob = gate.pass;
      const reference = server.add('library/app', '1', makeImage());
      const logins = ['a', 'b'].map((value) => ({ username: 'u', password: 'p', [field]: value }));
      const pulls = logins.map((credentials) => store.pull(reference, { credentials }));
      await gate.reached;
      gate.open();
      await Promise.allSettled(pulls);
      expect(server.gets.get('library/app/manifests/1')).toBe(2);
    },
  );

  it('does not ride on the login of another', async () => {
    const gate = makeGate();
    server.onBlob = gate.pass;
    const reference = server.add('library/app', '1', makeImage());
    const one = store.pull(reference, { credentials: { username: 'a', password: 'x' } });
    await gate.reached;
    gate.open();
    const other = store.pull(reference, { credentials: { username: 'a', password: 'y' }, force: true });
    await Promise.all([one, other]);
    expect(server.gets.get('library/app/manifests/1')).toBe(2);
  });

  it('fetches a layer of two images once', async () => {
    const gate = makeGate();
    server.onBlob = gate.pass;
    const image = makeImage();
    const references = [server.add('library/app', '1', image), server.add('library/app', '2', image)];
    const pulls = references.map((reference) => store.pull(reference));
    await gate.reached;
    gate.open();
    await Promise.all(pulls);
    expect(server.blobGets()).toEqual([1, 1, 1, 1]);
  });

  it('hands what a listener throws to the host program and goes on', async () => {
    const reference = server.add('library/app', '1', makeImage());
    const thrown: unknown[] = [];
    const queue = vi.spyOn(globalThis, 'queueMicrotask').mockImplementation((callback) => {
      try {
        callback();
      } catch (error) {
        thrown.push(error);
      }
    });
    const fault = new Error('listener');
    try {
      await store.pull(reference, {
        onProgress: () => {
          throw fault;
        },
      });
    } finally {
      queue.mockRestore();
    }
    expect(thrown.length).toBeGreaterThan(0);
    expect(new Set(thrown)).toEqual(new Set([fault]));
  });
});
