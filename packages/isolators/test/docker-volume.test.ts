import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, readlinkSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import type { ContainerMount, Isolator, PrepareContext } from '@gantry/interface';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { dockerVolume } from '../src/volume/docker/volume.js';

let root: string;
let server: Server;
let isolator: Isolator;
/** What the plugin was asked, without its name for it: `Mount vol`. */
let asked: string[];
/** What it does instead of what was asked. */
let instead: Record<string, (response: ServerResponse) => void>;

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const method = (request.url ?? '').replace(/^.*\./, '');
  const { Name: name = '' } = JSON.parse(await text(request)) as { Name?: string };
  asked.push(`${method} ${name}`.trim());
  const other = instead[`${method} ${name}`] ?? instead[method];
  if (other) return other(response);
  const answers: Record<string, object> = {
    Activate: { Implements: ['VolumeDriver'] },
    Get: { Volume: { Name: name, Mountpoint: `/mnt/${name}` } },
    Mount: { Mountpoint: `/mnt/${name}` },
  };
  response.end(JSON.stringify({ Err: '', ...answers[method] }));
}

beforeEach(async () => {
  root = mkdtempSync(join(tmpdir(), 'gantry-docker-volume-'));
  mkdirSync(join(root, 'plugins'));
  asked = [];
  instead = {};
  server = createServer((request, response) => {
    answer(request, response).catch((error) => response.destroy(error));
  }).listen(join(root, 'plugins', 'fake.sock'));
  await once(server, 'listening');
  isolator = dockerVolume({
    folders: { root, place: 'here' },
    plugins: { sockets: join(root, 'plugins'), specs: [] },
    timeoutMs: 300,
  });
});
afterEach(async () => {
  server.closeAllConnections();
  server.close();
  rmSync(root, { recursive: true });
});

const fail = (response: ServerResponse) => void response.writeHead(500).end(JSON.stringify({ Err: 'as asked' }));
const hang = () => undefined;

async function prepare(id: string, names = ['vol'], signal?: AbortSignal): Promise<void> {
  const mounts = names.map((name): ContainerMount => ({ type: 'docker', driver: 'fake', name, target: `/${name}` }));
  await isolator.prepare?.({ id, spec: { mounts } } as unknown as PrepareContext, signal ? { signal } : {});
}
const cleanup = async (id: string) => isolator.cleanup?.(id);
const count = (call: string) => asked.filter((made) => made === call).length;
const left = () => ['docker-volumes', 'docker-mounts'].flatMap((kind) => readdirSync(join(root, kind, 'here')));

describe('a volume of a Docker plugin', () => {
  it('is mounted for the first and unmounted for the last', async () => {
    await prepare('one');
    await prepare('two');
    expect(readlinkSync(join(root, 'docker-volumes/here/two/0'))).toBe('/mnt/vol');
    await cleanup('one');
    expect([count('Mount vol'), count('Unmount vol')]).toEqual([1, 0]);
    await cleanup('two');
    expect(count('Unmount vol')).toBe(1);
    expect(left()).toEqual([]);
  });

  it('is mounted anew after an unmount that got no answer, which may come about later', async () => {
    await prepare('one');
    instead['Unmount'] = hang;
    await expect(cleanup('one')).rejects.toMatchObject({ code: 'TIMEOUT' });
    instead = { Unmount: fail };
    await prepare('two');
    expect(asked.slice(-2)).toEqual(['Unmount vol', 'Mount vol']);
    instead = {};
    await cleanup('one');
    expect(count('Unmount vol')).toBe(2);
    await cleanup('two');
    expect(left()).toEqual([]);
  });

  it('is given up where the plugin answers too slowly, however steadily', async () => {
    let timer: NodeJS.Timeout | undefined;
    instead['Mount'] = (response) => {
      timer = setInterval(() => response.write(' '), 20);
    };
    try {
      await expect(prepare('one')).rejects.toMatchObject({
        code: 'TIMEOUT',
        details: { method: 'VolumeDriver.Mount' },
      });
    } finally {
      clearInterval(timer);
    }
  });

  it('is not waited for once the launch is aborted, by who mounts it nor by who waits for that', async () => {
    isolator = dockerVolume({
      folders: { root, place: 'here' },
      plugins: { sockets: join(root, 'plugins'), specs: [] },
    });
    const [first, second] = [new AbortController(), new AbortController()];
    const hung = new Promise<void>((resolve) => {
      instead['Mount'] = () => resolve();
    });
    const mounting = prepare('one', ['vol'], first.signal);
    await hung;
    const waiting = prepare('two', ['vol'], second.signal);
    second.abort();
    await expect(waiting).rejects.toMatchObject({ code: 'ABORTED' });
    first.abort();
    await expect(mounting).rejects.toMatchObject({ code: 'ABORTED' });
    await cleanup('two');
    await cleanup('one');
    expect(left()).toEqual([]);
  });

  it('is unmounted though another of the container cannot be', async () => {
    await prepare('one', ['broken', 'vol']);
    instead['Unmount broken'] = fail;
    await expect(cleanup('one')).rejects.toThrow('as asked');
    expect(count('Unmount vol')).toBe(1);
    instead = {};
    await cleanup('one');
    expect(count('Unmount vol')).toBe(1);
    expect(left()).toEqual([]);
  });

  it('is told of with every other that cannot be unmounted', async () => {
    await prepare('one', ['a', 'b']);
    instead['Unmount'] = (response) => void response.writeHead(500).end(JSON.stringify({ Err: `no ${asked.at(-1)}` }));
    const error = await Promise.resolve(cleanup('one')).catch((cause: unknown) => cause);
    expect(error).toMatchObject({
      code: 'SYSTEM',
      message: expect.stringMatching(/no Unmount [ab].*; .*no Unmount [ab]/),
      details: { driver: 'fake' },
    });
    instead = {};
    await cleanup('one');
  });

  it.each([
    ['no JSON', 'no JSON object'],
    [`"${'x'.repeat(1_100_000)}"`, 'longer than 1048576 bytes'],
  ])('is refused with words about an answer that is none', async (body, words) => {
    instead['Mount'] = (response) => void response.end(body);
    await expect(prepare('one')).rejects.toThrow(words);
  });

  it('is asked for on a connection of its own, as the plugin may be another by the next time', async () => {
    const connections: (string | undefined)[] = [];
    server.on('request', ({ headers }) => connections.push(headers.connection));
    await prepare('one');
    expect(new Set(connections)).toEqual(new Set(['close']));
  });
});
