import { createContainerizer } from '@gantry/containerizer';
import { afterAll, afterEach, beforeAll, expect, it, vi } from 'vitest';
import { requires } from '../support/requires.js';
import { outputMatching, startHost, type TestHost } from './host.js';

const day = 24 * 60 * 60 * 1000;
const sh = (script: string) => ({ command: ['/bin/sh', '-c', script] });

requires({ root: true })('a clock that is set while containers run', () => {
  let host: TestHost;
  beforeAll(async () => {
    host = await startHost();
  });
  afterEach(() => {
    vi.useRealTimers();
  });
  afterAll(() => host[Symbol.asyncDispose]());

  /** What a host program sees of a clock that somebody sets; the kernel's timers go by another one. */
  const setClock = (by: number) => {
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + by });
  };

  it.each([
    { to: 'tomorrow', by: day },
    { to: 'yesterday', by: -day },
  ])('to $to makes no grace shorter or longer, and loses no container', async ({ by }) => {
    const { image, root, stateRoot } = host;
    const first = await createContainerizer({ root, stateRoot });
    const slow = 'trap "sleep 0.5; exit 7" TERM; echo ready; while :; do sleep 0.1; done';
    const deaf = 'trap "" TERM; echo ready; while :; do sleep 0.1; done';
    for (const [id, script] of Object.entries({ slow, deaf, kept: deaf })) {
      await first.launch({ id, image, ...sh(script) });
      await outputMatching(first, id, /ready/);
    }
    const stopped = first.stop('slow', { graceMs: 60_000 });
    const killed = first.stop('deaf', { graceMs: 300 });
    setClock(by);
    expect((await stopped).exit).toMatchObject({ type: 'exited', code: 7 });
    expect((await killed).exit).toMatchObject({ type: 'signaled', signal: 'SIGKILL' });
    await first[Symbol.asyncDispose]();

    await using next = await createContainerizer({ root, stateRoot });
    expect(await next.recover()).toMatchObject({ running: ['kept'], cleaned: [], failed: [] });
    await expect(next.wait('kept', { signal: AbortSignal.timeout(50) })).rejects.toMatchObject({ code: 'ABORTED' });
    expect((await next.destroy('kept')).exit).toMatchObject({ type: 'signaled', signal: 'SIGKILL' });
    for (const id of ['slow', 'deaf', 'kept']) await next.remove(id);
  });
});
