import { readFileSync, readlinkSync } from 'node:fs';
import type { Containerizer, ContainerSpec } from '@gantry/interface';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { requires } from '../support/requires.js';
import { outputMatching, readOutput, startHost, type TestHost } from './host.js';

const sh = (script: string) => ({ command: ['/bin/sh', '-c', script] });
const waits = sh('trap "exit 7" TERM; echo ready; while :; do sleep 1; done');
const types = ['net', 'ipc', 'uts', 'pid', 'mnt'] as const;

/** The namespaces of a container's first process, as the kernel names them. */
async function namespacesOf(containerizer: Containerizer, id: string): Promise<Record<(typeof types)[number], string>> {
  const { pid } = await containerizer.status(id);
  return Object.fromEntries(types.map((type) => [type, readlinkSync(`/proc/${pid}/ns/${type}`)])) as never;
}

requires({ root: true })('a nested container', () => {
  let host: TestHost;
  const launch = async (spec: Partial<ContainerSpec>) => {
    const { id } = await host.containerizer.launch({ image: host.image, ...spec });
    return id;
  };
  beforeAll(async () => {
    host = await startHost();
  });
  afterAll(() => host[Symbol.asyncDispose]());

  it('is in its parent’s network, ipc and host name, with process ids and mounts of its own', async () => {
    const parent = await launch({ ...waits, hostname: 'mother' });
    const child = await launch({ ...sh('hostname; echo over; sleep 60'), parent });
    await outputMatching(host.containerizer, child, /over/);
    const [above, below] = await Promise.all([parent, child].map((id) => namespacesOf(host.containerizer, id)));
    expect({ net: below?.net, ipc: below?.ipc, uts: below?.uts }).toEqual({
      net: above?.net,
      ipc: above?.ipc,
      uts: above?.uts,
    });
    expect(below?.pid).not.toBe(above?.pid);
    expect(below?.mnt).not.toBe(above?.mnt);
    expect((await readOutput(host.containerizer, child)).stdout).toBe('mother\nover\n');
    expect(await host.containerizer.status(child)).toMatchObject({ parent, state: 'RUNNING' });
    await host.containerizer.destroy(parent);
    await host.containerizer.remove(parent);
  });

  it('shares what it is told to, process ids too, and sees its parent’s processes then', async () => {
    const parent = await launch({ ...waits });
    const child = await launch({ ...sh('ps; sleep 60 & kill -USR1 1; wait'), parent, share: ['pid'] });
    await outputMatching(host.containerizer, child, /trap "exit 7" TERM/);
    const [above, below] = await Promise.all([parent, child].map((id) => namespacesOf(host.containerizer, id)));
    expect(below?.pid).toBe(above?.pid);
    expect(below?.net).not.toBe(above?.net);
    const entered = await host.containerizer.exec(child, { command: ['/bin/sh', '-c', 'echo in $$'] });
    entered.stdin.end();
    expect(await entered.exit).toMatchObject({ type: 'exited', code: 0 });
    await host.containerizer.destroy(child);
    expect((await host.containerizer.status(parent)).state).toBe('RUNNING');
    await host.containerizer.destroy(parent);
  });

  it('ends before its parent does, to any depth', async () => {
    const ends: string[] = [];
    const note = ({ id }: { id: string }) => ends.push(id);
    const ids = ['one', 'two', 'three', 'four'];
    for (const [index, id] of ids.entries()) {
      await launch({ ...waits, id, ...(index > 0 ? { parent: ids[index - 1] as string } : {}) });
      await outputMatching(host.containerizer, id, /ready/);
    }
    host.containerizer.on('terminated', note);
    await host.containerizer.stop('one', { graceMs: 5000 });
    host.containerizer.off('terminated', note);
    expect(ends).toEqual([...ids].reverse());
    for (const id of ids) {
      expect((await host.containerizer.wait(id)).exit).toMatchObject({ type: 'exited', code: 7 });
    }
    await host.containerizer.remove('one');
    await expect(host.containerizer.status('four')).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });

  it('is ended when its parent ends by itself, and told why', async () => {
    const parent = await launch({ ...sh('read line; exit 3'), stdin: true });
    const child = await launch({ ...waits, parent });
    const attachment = await host.containerizer.attach(parent, { stdin: true });
    attachment.stdin?.end('go\n');
    expect((await host.containerizer.wait(parent)).exit).toMatchObject({ type: 'exited', code: 3 });
    await attachment[Symbol.asyncDispose]();
    const { failure, destroyed } = await host.containerizer.wait(child);
    expect(failure).toMatchObject({ code: 'ABORTED', message: `container ${child}: its parent ${parent} ended` });
    expect(destroyed).toBe(false);
  });

  it('is refused without a parent that runs', async () => {
    await expect(launch({ ...waits, parent: 'nobody' })).rejects.toMatchObject({ code: 'NOT_FOUND' });
    const parent = await launch({ ...waits });
    await host.containerizer.destroy(parent);
    await expect(launch({ ...waits, parent })).rejects.toMatchObject({ code: 'WRONG_STATE' });
    await expect(launch({ ...waits, share: ['pid'] })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  });
});

requires({ root: true })('an init', () => {
  let host: TestHost;
  beforeAll(async () => {
    host = await startHost();
  });
  afterAll(() => host[Symbol.asyncDispose]());

  it('reaps what the program leaves behind, and ends as the program does', async () => {
    // The middle shell ends at once, so that the sleeping one is an orphan, which is gone when it has been reaped.
    const script =
      'sh -c "sleep 0.1 & echo \\$!" >/tmp/orphan; while kill -0 $(cat /tmp/orphan) 2>/dev/null; do sleep 0.05; done; exit 5';
    const { termination } = await host.run({ ...sh(script), init: true });
    expect(termination.exit).toMatchObject({ type: 'exited', code: 5 });
  });

  it('is process 1, and passes signals on', async () => {
    const { id } = await host.containerizer.launch({ image: host.image, ...waits, init: true });
    await outputMatching(host.containerizer, id, /ready/);
    const { pid } = await host.containerizer.status(id);
    expect(readFileSync(`/proc/${pid}/comm`, 'utf8')).toBe('gantry-init\n');
    await host.containerizer.kill(id, 'SIGTERM');
    expect((await host.containerizer.wait(id)).exit).toMatchObject({ type: 'exited', code: 7 });
    const killed = await host.run({ ...sh('kill -9 $$'), init: true });
    expect(killed.termination.exit).toMatchObject({ type: 'exited', code: 137 });
  });

  it('tells that the program could not be started', async () => {
    await expect(host.run({ command: ['/nowhere'], init: true })).rejects.toMatchObject({
      code: 'LAUNCH_FAILED',
      details: { name: 'exec', errno: 'ENOENT' },
    });
  });
});

requires({ root: true })('a connection from inside a container’s network', () => {
  let host: TestHost;
  beforeAll(async () => {
    host = await startHost();
  });
  afterAll(() => host[Symbol.asyncDispose]());

  it('carries bytes both ways to a port of its loopback, and says when nobody listens', async () => {
    const { id } = await host.containerizer.launch({
      image: host.image,
      ...sh('nc -l -p 7000 -e cat; echo served; sleep 60'),
    });
    await expect(host.containerizer.connect(id, 7001)).rejects.toMatchObject({ code: 'UNREACHABLE' });
    const connection = await untilListening(() => host.containerizer.connect(id, 7000));
    const sent = Buffer.alloc(300_000, 'gantry');
    connection.end(sent);
    const received: Buffer[] = [];
    for await (const piece of connection) received.push(piece as Buffer);
    expect(Buffer.concat(received).equals(sent)).toBe(true);
    await outputMatching(host.containerizer, id, /served/);
    await expect(host.containerizer.connect(id, 0)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    await host.containerizer.destroy(id);
  });
});

async function untilListening<T>(connect: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await connect();
    } catch (error) {
      if ((error as { code?: string }).code !== 'UNREACHABLE') throw error;
    }
  }
}
