import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { createRegistryClient } from '@gantry/registry-client';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createImageStore } from '../src/index.js';
import { collect } from './collect.js';
import { readLayout } from './layout-check.js';
import { RegistryServer } from './registry-server.js';
import { archive } from './tar.js';
import { makeImage } from './test-image.js';

/** How long the processes work against each other; many times as long where it is asked for. */
const seconds = Number(process.env['GANTRY_HAMMER_SECONDS'] ?? 6);
const script = fileURLToPath(new URL('hammer-child.mjs', import.meta.url));
const how = process.getuid?.() === 0 ? 'unpack' : 'read';

const started: ChildProcess[] = [];
let root: string;
let server: RegistryServer;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'gantry-store-'));
  server = await RegistryServer.start();
});

afterEach(async () => {
  // Those of a test that failed.
  for (const child of started.splice(0)) child.kill('SIGKILL');
  await server[Symbol.asyncDispose]();
  await rm(root, { recursive: true });
});

class Child {
  readonly process: ChildProcess;
  readonly output: string[] = [];
  readonly ended: Promise<unknown>;
  errors = '';

  constructor(role: string, references: readonly string[]) {
    this.process = spawn(process.execPath, [script, role, root, how, ...references], { stdio: 'pipe' });
    started.push(this.process);
    if (this.process.stdout) {
      createInterface(this.process.stdout).on('line', (line) => this.output.push(line));
    }
    this.process.stderr?.on('data', (text) => {
      this.errors += String(text);
    });
    this.ended = once(this.process, 'close');
  }

  /** Resolves with the rounds that it has done. */
  async stop(): Promise<number> {
    this.process.stdin?.on('error', () => undefined).write('stop\n');
    await this.ended;
    if (this.process.exitCode !== 0) throw new Error(`child ended with ${this.process.exitCode}: ${this.errors}`);
    return Number(this.output.at(-1)?.split(' ')[1]);
  }

  async kill(): Promise<void> {
    if (this.process.exitCode !== null) throw new Error(`child ended with ${this.process.exitCode}: ${this.errors}`);
    this.process.kill('SIGKILL');
    await this.ended;
  }
}

describe(`processes that pull and collect garbage in one store (${how}; needs root to unpack)`, () => {
  it('keep what is leased whole, through kills at any moment', { timeout: (seconds + 60) * 1000 }, async () => {
    const shared = await archive('echo shared > file');
    const layers = await Promise.all(
      ['a', 'b', 'c'].map((name) => archive(`echo ${name} > file; head -c 50000 /dev/urandom > ${name}`)),
    );
    const references = layers.map((layer, position) =>
      server.add(`library/app${position}`, '1', makeImage({ layers: [shared, layer] })),
    );
    const roles = ['use', 'use', 'collect', 'collect'];
    const children = roles.map((role) => new Child(role, references));
    const end = performance.now() + seconds * 1000;
    const killed: number[] = [];
    while (performance.now() < end) {
      await new Promise((resolve) => setTimeout(resolve, 300 + Math.random() * 700));
      const victim = Math.floor(Math.random() * roles.length);
      const child = children[victim];
      if (child?.process.pid === undefined || child.output.length === 0) continue;
      killed.push(child.process.pid);
      await child.kill();
      children[victim] = new Child(roles[victim] ?? '', references);
    }
    const rounds = await Promise.all(children.map((child) => child.stop()));
    expect(killed.length).toBeGreaterThan(1);
    expect(Math.max(rounds[0] ?? 0, rounds[1] ?? 0)).toBeGreaterThan(0);

    const store = createImageStore({ root, registry: createRegistryClient(), unpackHoldMs: 0 });
    const leases = await collect(store.leases());
    for (const { id } of leases) expect(killed.map((pid) => `child/${pid}`)).toContain(id);
    const leased = new Set(leases.flatMap(({ images }) => images));
    await store.collectGarbage();
    expect(await collect(store.verify())).toEqual([]);
    const entries = await readLayout(store.layoutPath);
    for (const { digest } of entries.values()) expect(leased).toContain(digest);
    for (const { id } of leases) await store.release(id);
    for (const reference of references) await store.pull(reference, how === 'unpack' ? { unpack: true } : {});
    await store.collectGarbage();
    expect(await readdir(join(store.layoutPath, 'blobs/sha256'))).toEqual([]);
    for (const folder of ['ingest', 'collectors', 'holds', 'references', 'leases']) {
      expect(await readdir(join(root, folder))).toEqual([]);
    }
  });
});
