import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import type { ContainerMount, Isolator, PrepareContext } from '@gantry/interface';
import { Server, ServerCredentials, type ServiceDefinition, type ServiceError, status } from '@grpc/grpc-js';
import { fromJSON } from '@grpc/proto-loader';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CsiClient } from '../src/csi/client.js';
import { csiMessages } from '../src/csi/messages.js';
import type { VolumeCsiOptions } from '../src/csi/options.js';
import { volumeCsi } from '../src/csi/volume.js';

type Request = Readonly<Record<string, string>>;
type Answer = (error: Partial<ServiceError> | null, answer?: object) => void;

let root: string;
let drivers: Server[];
/** What drivers were asked, but for what they can: `one NodeStageVolume`. */
let asked: string[];
/** What is done instead of what was asked. */
let instead: Record<string, (answer: Answer, request: Request) => void>;
/** Of the driver `full` there is nothing that it cannot do, `plain` only publishes. */
const answers: Record<string, (driver: string, request: Request) => object> = {
  Probe: () => ({ ready: { value: true } }),
  GetPluginCapabilities: (driver) => ({ capabilities: driver === 'full' ? [{ service: { type: 1 } }] : [] }),
  ControllerGetCapabilities: () => ({ capabilities: [{ rpc: { type: 2 } }] }),
  NodeGetCapabilities: (driver) => ({ capabilities: driver === 'full' ? [{ rpc: { type: 1 } }] : [] }),
  NodeGetInfo: () => ({ nodeId: 'here' }),
  NodePublishVolume: (_, { targetPath = '' }) => {
    mkdirSync(targetPath, { recursive: true });
    return {};
  },
  NodeUnpublishVolume: (_, { targetPath = '' }) => {
    rmSync(targetPath, { recursive: true, force: true });
    return {};
  },
};

const definitions = fromJSON(csiMessages, { keepCase: true, defaults: true, objects: true, arrays: true });

async function start(driver: string): Promise<Server> {
  const server = new Server();
  for (const service of ['Identity', 'Controller', 'Node']) {
    const definition = definitions[`csi.v1.${service}`] as ServiceDefinition;
    const calls = Object.keys(definition).map((name) => [
      name,
      ({ request }: { request: Request }, answer: Answer) => {
        if (/Volume$/.test(name)) asked.push(`${driver} ${name}`);
        const other = instead[`${driver} ${name}`];
        if (other) other(answer, request);
        else answer(null, answers[name]?.(driver, request) ?? {});
      },
    ]);
    server.addService(definition, Object.fromEntries(calls));
  }
  await promisify(server.bindAsync.bind(server))(`unix://${socketOf(driver)}`, ServerCredentials.createInsecure());
  drivers.push(server);
  return server;
}

const socketOf = (driver: string) => join(root, `${driver}.sock`);
const isolatorWith = (options: Partial<VolumeCsiOptions> = {}) =>
  volumeCsi({
    drivers: { full: { node: socketOf('full') }, plain: { node: socketOf('plain') } },
    volumes: { root, place: 'here' },
    secrets: { resolve: async ({ name }) => `value of ${name}` },
    timeoutMs: 300,
    ...options,
  });

let isolator: Isolator;
beforeEach(async () => {
  root = mkdtempSync(join(tmpdir(), 'gantry-csi-'));
  [drivers, asked, instead] = [[], [], {}];
  isolator = isolatorWith();
});
afterEach(async () => {
  await isolator.close?.();
  for (const driver of drivers) driver.forceShutdown();
  rmSync(root, { recursive: true });
});

async function prepare(id: string, names: readonly string[], signal?: AbortSignal): Promise<void> {
  const mounts = names.map(
    (driver): ContainerMount => ({
      type: 'csi',
      driver,
      volume: 'vol',
      target: `/${driver}`,
      secrets: { key: { name: 'key' }, longer: { name: 'key that is longer' } },
    }),
  );
  await isolator.prepare?.({ id, spec: { mounts } } as unknown as PrepareContext, signal ? { signal } : {});
}
const cleanup = async (id: string) => isolator.cleanup?.(id);
const left = () => ['csi', 'csi-volumes'].flatMap((kind) => readdirSync(join(root, kind, 'here')));
const hang = () => undefined;

describe('a volume of a CSI driver', () => {
  it('is let go of though another of the container cannot be', async () => {
    await Promise.all([start('full'), start('plain')]);
    await prepare('one', ['full', 'plain']);
    instead['full NodeUnpublishVolume'] = hang;
    asked = [];
    await expect(cleanup('one')).rejects.toMatchObject({ code: 'TIMEOUT', details: { driver: 'full' } });
    expect(asked).toEqual(['full NodeUnpublishVolume', 'plain NodeUnpublishVolume']);
    instead = {};
    await cleanup('one');
    expect(left()).toEqual([]);
  });

  it('is let go of without the secrets that no call takes', async () => {
    await start('plain');
    await prepare('one', ['plain']);
    await isolator.close?.();
    isolator = isolatorWith({ secrets: { resolve: () => Promise.reject(new Error('revoked')) } });
    await cleanup('one');
    expect(left()).toEqual([]);
  });

  it('is unstaged though the secret for its controller is not to be had, and detached once it is', async () => {
    await start('full');
    await prepare('one', ['full']);
    await isolator.close?.();
    asked = [];
    isolator = isolatorWith({ secrets: { resolve: () => Promise.reject(new Error('revoked')) } });
    await expect(cleanup('one')).rejects.toThrow('revoked');
    expect(asked).toEqual(['full NodeUnpublishVolume', 'full NodeUnstageVolume']);
    await isolator.close?.();
    isolator = isolatorWith();
    await cleanup('one');
    expect(asked.at(-1)).toBe('full ControllerUnpublishVolume');
    expect(left()).toEqual([]);
  });

  it('fails with the words of the driver but for the secrets in them', async () => {
    await start('full');
    instead['full NodeStageVolume'] = (answer) =>
      answer({ code: status.INTERNAL, details: 'mount -o a=value of key,b=value of key that is longer: no' });
    const error = await prepare('one', ['full']).catch((cause: unknown) => cause);
    expect(error).toMatchObject({
      code: 'SYSTEM',
      message: expect.stringContaining('mount -o a=<secret>,b=<secret>: no'),
    });
  });

  it('is not asked for once the launch is aborted', async () => {
    await start('full');
    const controller = new AbortController();
    instead['full ControllerPublishVolume'] = () => controller.abort();
    await expect(prepare('one', ['full'], controller.signal)).rejects.toMatchObject({ code: 'ABORTED' });
    const client = new CsiClient('full', socketOf('full'), 300);
    const late = client.call('Node', 'NodeStageVolume', {}, controller.signal);
    await expect(late).rejects.toMatchObject({ code: 'ABORTED' });
    client.close();
    expect(asked).toEqual(['full ControllerPublishVolume']);
  });

  it('is asked for again and again of a driver that is away', async () => {
    let connections = 0;
    const away = createServer((socket) => {
      connections++;
      socket.destroy();
    }).listen(socketOf('full'));
    await once(away, 'listening');
    const since = performance.now();
    while (connections <= 4) {
      await expect(prepare('one', ['full'])).rejects.toMatchObject({ code: 'UNREACHABLE' });
      await delay(50);
    }
    away.close();
    // By default it is after a second, and soon every other minute: the fifth time after nine.
    expect(performance.now() - since).toBeLessThan(7000);
  });
});
