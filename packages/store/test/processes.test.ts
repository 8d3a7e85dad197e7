import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { createRegistryClient } from '@gantry/registry-client';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createImageStore } from '../src/index.js';
import { readLayout } from './layout-check.js';
import { RegistryServer } from './registry-server.js';
import { makeImage } from './test-image.js';

let root: string;
let server: RegistryServer;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'gantry-store-'));
  server = await RegistryServer.start();
});

afterEach(async () => {
  await server[Symbol.asyncDispose]();
  await rm(root, { recursive: true });
});

const script = fileURLToPath(new URL('pull-child.mjs', import.meta.url));

/** A process that is loaded and waits for its first line of input. */
async function startChild(references: readonly string[]): Promise<ChildProcess> {
  const child = spawn(process.execPath, [script, root, ...references], { stdio: ['pipe', 'pipe', 'inherit'] });
  for await (const line of createInterface(child.stdout)) if (line === 'ready') break;
  return child;
}

async function run(child: ChildProcess): Promise<number | null> {
  const exit = once(child, 'exit');
  child.stdin?.write('go\n');
  const [code] = (await exit) as [number | null];
  return code;
}

describe('processes that share a store', () => {
  it('pull the same image and different ones at once, and end with one whole layout', { timeout: 60_000 }, async () => {
    const common = server.add('library/common', '1', makeImage());
    const own = ['a', 'b', 'c'].map((name) => server.add(`library/${name}`, '1', makeImage()));
    const children = await Promise.all(own.map((reference) => startChild([common, reference])));
    expect(await Promise.all(children.map(run))).toEqual([0, 0, 0]);
    const entries = await readLayout(join(root, 'layout'));
    expect([...entries.keys()].sort()).toEqual([common, ...own].sort());
    expect(await readdir(join(root, 'ingest'))).toEqual([]);
  });

  it('take up after one that was killed in the middle of a blob', { timeout: 60_000 }, async () => {
    const reference = server.add('library/app', '1', makeImage());
    server.firstBytes = 1000;
    const halfway = new Promise<void>((resolve) => {
      server.onRest = () => {
        resolve();
        return new Promise(() => undefined);
      };
    });
    const child = await startChild([reference]);
    const exit = run(child);
    await halfway;
    child.kill('SIGKILL');
    await exit;
    expect(await readdir(join(root, 'ingest'))).not.toEqual([]);

    server.firstBytes = Number.POSITIVE_INFINITY;
    const store = createImageStore({ root, registry: createRegistryClient() });
    expect((await store.pull(reference)).cached).toBe(false);
    expect(await readdir(join(root, 'ingest'))).toEqual([]);
    expect([...(await readLayout(store.layoutPath)).keys()]).toEqual([reference]);
  });

  it('take up after one that was killed between a reference and the index', { timeout: 60_000 }, async () => {
    const reference = server.add('library/app', '1', makeImage());
    const before = createImageStore({ root, registry: createRegistryClient() });
    await before.pull(reference);
    await rm(join(before.layoutPath, 'index.json'));
    const store = createImageStore({ root, registry: createRegistryClient() });
    expect((await store.pull(reference)).cached).toBe(true);
    expect([...(await readLayout(store.layoutPath)).keys()]).toEqual([reference]);
  });

  it('take up after one that was killed at any moment', { timeout: 120_000 }, async () => {
    const complete = await startChild([server.add('library/first', '1', makeImage())]);
    const start = performance.now();
    expect(await run(complete)).toBe(0);
    const duration = performance.now() - start;

    for (let trial = 0; trial < 10; trial++) {
      const reference = server.add(`library/app${trial}`, '1', makeImage());
      const child = await startChild([reference]);
      const killer = setTimeout(() => child.kill('SIGKILL'), Math.random() * duration * 1.1);
      await run(child);
      clearTimeout(killer);
      const store = createImageStore({ root, registry: createRegistryClient() });
      await store.pull(reference);
      expect(await store.get(reference)).toBeDefined();
      expect((await readLayout(store.layoutPath)).size).toBe(trial + 2);
      expect(await readdir(join(root, 'ingest'))).toEqual([]);
    }
  });
});

describe('leftovers', () => {
  it('of others are kept while they may be in use, and removed once they are a day old', async () => {
    const ingest = join(root, 'ingest');
    await mkdir(ingest);
    const [young, old] = ['0123456789ab-1-5-0123456789abcdef', '0123456789ab-1-5-fedcba9876543210'];
    for (const name of [young, old]) await writeFile(join(ingest, name), 'x');
    const longAgo = Date.now() / 1000 - 25 * 60 * 60;
    await utimes(join(ingest, old), longAgo, longAgo);
    const store = createImageStore({ root, registry: createRegistryClient() });
    await store.pull(server.add('library/app', '1', makeImage()));
    expect(await readdir(ingest)).toEqual([young]);
  });
});
