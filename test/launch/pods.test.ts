import { existsSync, readdirSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import type { PodContainer } from '@gantry/interface';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { requires } from '../support/requires.js';
import { outputMatching, readOutput, startHost, type TestHost } from './host.js';

requires({ root: true })('a pod', () => {
  let host: TestHost;
  const sh = (script: string, more: Partial<PodContainer> = {}): PodContainer => ({
    image: host.image,
    command: ['/bin/sh', '-c', script],
    ...more,
  });
  const waits = () => sh('trap "exit 7" TERM; echo ready; while :; do sleep 1; done');
  beforeAll(async () => {
    host = await startHost();
  });
  afterAll(() => host[Symbol.asyncDispose]());

  it('has its containers talk over loopback and a volume, and goes with all it had', async () => {
    const mounts = [{ type: 'volume', source: 'shared', target: '/shared' }] as const;
    const { id, containers } = await host.containerizer.launchPod({
      hostname: 'pod',
      volumes: ['shared'],
      endsWith: 'last',
      containers: [
        sh('hostname >/shared/name; echo hello | nc -l -p 8000', { mounts }),
        sh('until [ -s /shared/name ] && nc 127.0.0.1 8000 2>/dev/null; do sleep 0.05; done; cat /shared/name', {
          mounts,
          user: '1000:1000',
        }),
      ],
    });
    const [, client = ''] = containers;
    expect(readdirSync(join(host.root, 'volumes')).length).toBe(1);
    const termination = await host.containerizer.wait(id);
    expect(termination).toMatchObject({ exit: { type: 'exited', code: 0 }, destroyed: false });
    expect((await readOutput(host.containerizer, client)).stdout).toBe('hello\npod\n');
    for (const place of readdirSync(join(host.root, 'volumes'))) {
      expect(readdirSync(join(host.root, 'volumes', place))).toEqual([]);
    }
    await host.containerizer.remove(id);
    await expect(host.containerizer.status(client)).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });

  it('shares process ids when asked, with a sandbox that reaps as process 1', async () => {
    const { id, containers } = await host.containerizer.launchPod({
      share: ['network', 'ipc', 'uts', 'pid'],
      containers: [waits(), sh('ps -o pid,args; echo over; sleep 60')],
    });
    const [first = '', second = ''] = containers;
    await outputMatching(host.containerizer, second, /over/);
    const { stdout } = await readOutput(host.containerizer, second);
    expect(stdout).toMatch(/^ +1 .*gantry-sandbox/m);
    const pids = await Promise.all([id, first, second].map((one) => host.containerizer.status(one)));
    expect(new Set(pids.map(({ pid }) => readlinkSync(`/proc/${pid}/ns/pid`))).size).toBe(1);
    await host.containerizer.stop(id, { graceMs: 5000 });
    expect((await host.containerizer.wait(first)).exit).toMatchObject({ type: 'exited', code: 7 });
  });

  it('ends with its first failure, and gives the others the time to end', async () => {
    const { id, containers } = await host.containerizer.launchPod({
      containers: [waits(), sh('sleep 0.2; exit 9')],
    });
    await host.containerizer.wait(id);
    const [first = '', second = ''] = containers;
    expect((await host.containerizer.wait(second)).exit).toMatchObject({ code: 9 });
    expect((await host.containerizer.wait(first)).exit).toMatchObject({ type: 'exited', code: 7 });
  });

  it('goes on after a success unless its first end is to end it', async () => {
    const spec = { containers: [waits(), sh('exit 0')] };
    const lasting = await host.containerizer.launchPod(spec);
    await host.containerizer.wait(lasting.containers[1] ?? '');
    expect((await host.containerizer.status(lasting.id)).state).toBe('RUNNING');
    await host.containerizer.destroy(lasting.id);
    const brief = await host.containerizer.launchPod({ ...spec, endsWith: 'first' });
    expect((await host.containerizer.wait(brief.id)).destroyed).toBe(false);
  });

  it('is launched whole or not at all', async () => {
    const before = readdirSync(join(host.stateRoot, 'containers')).length;
    const spec = {
      id: 'broken',
      volumes: ['left'],
      containers: [
        { ...waits(), id: 'sound' },
        { ...sh('true'), id: 'unsound', command: ['/nowhere'] },
      ],
    };
    await expect(host.containerizer.launchPod(spec)).rejects.toMatchObject({ code: 'LAUNCH_FAILED' });
    for (const id of ['broken', 'sound', 'unsound']) {
      expect((await host.containerizer.status(id)).state).toBe('DESTROYED');
    }
    expect((await host.containerizer.wait('broken')).failure).toMatchObject({ code: 'LAUNCH_FAILED' });
    for (const place of readdirSync(join(host.root, 'volumes'))) {
      expect(existsSync(join(host.root, 'volumes', place, 'broken'))).toBe(false);
    }
    await host.containerizer.remove('broken');
    expect(readdirSync(join(host.stateRoot, 'containers')).length).toBe(before);
  });

  it('is launched once for the same spec, and refused for another of the same id', async () => {
    const spec = { id: 'once', containers: [waits()] };
    const [one, two] = await Promise.all([host.containerizer.launchPod(spec), host.containerizer.launchPod(spec)]);
    expect(two).toEqual(one);
    await expect(host.containerizer.launchPod({ ...spec, hostname: 'other' })).rejects.toMatchObject({
      code: 'ALREADY_EXISTS',
    });
    await host.containerizer.destroy('once');
  });

  it('names the field that is wrong', async () => {
    const field = async (spec: object) => {
      try {
        await host.containerizer.launchPod(spec as never);
      } catch (error) {
        return (error as { details?: { field?: string } }).details?.field;
      }
      return 'none';
    };
    expect(await field({ containers: [] })).toBe('spec.containers');
    expect(await field({ containers: [{ ...waits(), network: 'host' }] })).toBe('spec.containers[0].network');
    expect(await field({ containers: [waits(), { command: ['true'] }] })).toBe('spec.containers[1].image');
    const mounts = [{ type: 'volume', source: 'none', target: '/x' }];
    expect(await field({ containers: [{ ...waits(), mounts }] })).toBe('spec.containers[0].mounts[0].source');
    expect(await field({ containers: [waits()], volumes: ['../up'] })).toBe('spec.volumes[0]');
  });
});
