import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { GarbageReport, ImageStore } from '@gantry/interface';
import { createRegistryClient } from '@gantry/registry-client';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createImageStore, startGarbageCollector } from '../src/index.js';
import { RegistryServer } from './registry-server.js';
import { run } from './tar.js';
import { makeImage } from './test-image.js';

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

describe('a collector that runs by itself', () => {
  it('does nothing below its high mark, or before there is a store', async () => {
    await using collector = startGarbageCollector(store, { highPercent: 100 });
    expect(await collector.check()).toBeUndefined();
    const reference = server.add('library/app', '1', makeImage());
    await store.pull(reference);
    expect(await collector.check()).toBeUndefined();
    expect(await store.get(reference)).toBeDefined();
  });

  it.each([
    [{ highPercent: 101 }, 'highPercent'],
    [{ highPercent: 50, lowPercent: 60 }, 'lowPercent'],
    [{ lowPercent: -1 }, 'lowPercent'],
    [{ intervalMs: 0 }, 'intervalMs'],
    [{ highPercent: Number.NaN }, 'highPercent'],
  ])('is refused for %j', (options, field) => {
    expect(() => startGarbageCollector(store, options)).toThrow(expect.objectContaining({ details: { field } }));
  });

  it('tells of a collection that failed, and is ended by its disposal', async () => {
    await store.pull(server.add('library/app', '1', makeImage()));
    const failing: ImageStore = Object.create(store, {
      layoutPath: { value: store.layoutPath },
      collectGarbage: { value: async () => Promise.reject(new Error('no')) },
    });
    const told: unknown[] = [];
    const collector = startGarbageCollector(failing, {
      highPercent: 0,
      lowPercent: 0,
      onError: (error) => told.push(error),
    });
    await expect(collector.check()).rejects.toThrow('no');
    await collector[Symbol.asyncDispose]();
    expect(told).toEqual([new Error('no')]);
  });
});

describe.skipIf(process.getuid?.() !== 0)('on a small disk (needs root to mount a file system)', () => {
  it('collects down to the low mark when the high one is passed', async () => {
    run('mount', ['-t', 'tmpfs', '-o', 'size=2m', 'none', root]);
    try {
      const references = ['a', 'b', 'c', 'd'].map((tag) => server.add('library/app', tag, makeImage()));
      for (const reference of references) await store.pull(reference);
      const reports: GarbageReport[] = [];
      const marks = { highPercent: 50, lowPercent: 40 };
      await using collector = startGarbageCollector(store, { ...marks, onReport: (report) => reports.push(report) });
      const report = await collector.check();
      expect(reports).toEqual([report]);
      expect(report?.references.length).toBeGreaterThan(0);
      expect(report?.references.length).toBeLessThan(4);
      const [blocks = 0, free = 0] = run('stat', ['-f', '-c', '%b %a', root]).toString().split(' ').map(Number);
      expect(1 - free / blocks).toBeLessThanOrEqual(0.4);
    } finally {
      run('umount', [root]);
    }
  });
});
