import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { eventually } from '../support/eventually.mjs';
import { requires } from '../support/requires.js';
import { outputMatching, readOutput, startHost, type TestHost } from './host.js';

const sh = (script: string) => ({ command: ['/bin/sh', '-c', script] });
const counts = sh('trap "exit 7" TERM; i=0; while :; do i=$((i+1)); echo $i; sleep 0.02; done');

requires({ root: true })('a running container', () => {
  let host: TestHost;
  const launch = async (spec: object) => (await host.containerizer.launch({ image: host.image, ...spec })).id;
  const lines = async (id: string) => (await readOutput(host.containerizer, id)).stdout.split('\n').length;
  beforeAll(async () => {
    host = await startHost();
  });
  afterAll(() => host[Symbol.asyncDispose]());

  it('stands still while it is paused, and goes on where it was', async () => {
    const { containerizer } = host;
    const id = await launch(counts);
    await outputMatching(containerizer, id, /^3$/m);
    await containerizer.pause(id);
    await containerizer.pause(id);
    expect((await containerizer.status(id)).state).toBe('PAUSED');
    const { pid } = await containerizer.status(id);
    const ticks = () => readFileSync(`/proc/${pid}/stat`, 'utf8').split(' ').slice(13, 15).join();
    const [before, used] = [await lines(id), ticks()];
    // Time in which a container that goes on would have written a dozen lines.
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect([await lines(id), ticks()]).toEqual([before, used]);
    await expect(containerizer.exec(id, { command: ['true'] })).rejects.toMatchObject({ code: 'WRONG_STATE' });
    await containerizer.resume(id);
    expect((await containerizer.status(id)).state).toBe('RUNNING');
    const goesOn = (count: number) => count > before + 3;
    expect(await eventually(() => lines(id), goesOn)).toSatisfy(goesOn);
    await containerizer.destroy(id);
  });

  it('can be stopped and destroyed while it is paused', async () => {
    const stopped = await launch(counts);
    await outputMatching(host.containerizer, stopped, /^1$/m);
    await host.containerizer.pause(stopped);
    const end = await host.containerizer.stop(stopped);
    expect(end.exit).toMatchObject({ type: 'exited', code: 7 });
    const destroyed = await launch(counts);
    await host.containerizer.pause(destroyed);
    expect((await host.containerizer.destroy(destroyed)).exit).toMatchObject({ type: 'signaled', signal: 'SIGKILL' });
  });

  it('gets other limits, which the kernel holds, and keeps the old ones if one is refused', async () => {
    const { containerizer } = host;
    const mib = 2 ** 20;
    const id = await launch({ ...counts, resources: { limits: { memory: 64 * mib, pids: 50 } } });
    await containerizer.update(id, { limits: { memory: 96 * mib, pids: 60, cpus: 0.5 } });
    expect(await containerizer.usage(id)).toMatchObject({ memory: { limit: 96 * mib }, pids: { limit: 60 } });
    await expect(containerizer.update(id, { limits: { memory: 1, pids: 70 } })).rejects.toMatchObject({
      code: 'REFUSED',
    });
    expect(await containerizer.usage(id)).toMatchObject({ memory: { limit: 96 * mib }, pids: { limit: 60 } });
    await containerizer.destroy(id);
  });

  it('has every process signalled when all are meant', async () => {
    const id = await launch(sh('trap "" TERM; sleep 1000 & sleep 1000 & echo ready; wait'));
    await outputMatching(host.containerizer, id, /ready/);
    expect((await host.containerizer.usage(id)).pids?.current).toBe(3);
    await host.containerizer.kill(id, 'SIGKILL', { all: true });
    expect((await host.containerizer.wait(id)).exit).toMatchObject({ type: 'signaled', signal: 'SIGKILL' });
  });
});
