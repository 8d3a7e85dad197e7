import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createContainerizer } from '@gantry/containerizer';
import type { ContainerId, Isolator, Limitation } from '@gantry/interface';
import { expect, it } from 'vitest';
import { requires } from '../support/requires.js';
import { startHost, type TestHost } from './host.js';

const sleeps = { command: ['/bin/sleep', '1000'] };
const limitation: Limitation = { isolator: 'test/watcher', resource: 'disk', message: 'too much of it' };

/** An isolator that watches as a test tells it to, and keeps the signals that it was given. */
class Watcher implements Isolator {
  readonly name = 'test/watcher';
  readonly signals = new Map<ContainerId, AbortSignal>();
  readonly #answers = new Map<ContainerId, (answer: Promise<Limitation | undefined>) => void>();

  async edits() {
    return {};
  }

  watch(id: ContainerId, { signal }: { readonly signal: AbortSignal }): Promise<Limitation | undefined> {
    this.signals.set(id, signal);
    return new Promise((resolve) => this.#answers.set(id, resolve));
  }

  answer(id: ContainerId, answer: Promise<Limitation | undefined>): void {
    this.#answers.get(id)?.(answer);
  }
}

const beside = (watcher: Watcher) => ({ isolators: (own: readonly Isolator[]) => [...own, watcher] });

async function endOf(host: TestHost, id: string) {
  const termination = await host.containerizer.wait(id);
  await host.containerizer.remove(id);
  return termination;
}

requires({ root: true })('what isolators watch', () => {
  it('ends a container with the limit that an isolator names', async () => {
    const watcher = new Watcher();
    await using host = await startHost(beside(watcher));
    const { id } = await host.containerizer.launch({ image: host.image, ...sleeps });
    expect(watcher.signals.get(id)?.aborted).toBe(false);
    watcher.answer(id, Promise.resolve(limitation));
    expect(await endOf(host, id)).toMatchObject({
      exit: { type: 'signaled', signal: 'SIGKILL' },
      limitation,
      destroyed: false,
    });
    expect(watcher.signals.get(id)?.aborted).toBe(true);
  });

  it('ends a paused container, and those nested in it', async () => {
    const watcher = new Watcher();
    await using host = await startHost(beside(watcher));
    const { containerizer, image } = host;
    const { id } = await containerizer.launch({ image, ...sleeps });
    const child = await containerizer.launch({ image, parent: id, ...sleeps });
    await containerizer.pause(id);
    watcher.answer(id, Promise.resolve(limitation));
    expect(await containerizer.wait(child.id)).toMatchObject({ failure: { code: 'ABORTED' } });
    expect(await endOf(host, id)).toMatchObject({ limitation });
  });

  it('ends a container whose limit nobody keeps any more, and says why', async () => {
    const watcher = new Watcher();
    await using host = await startHost(beside(watcher));
    const { id } = await host.containerizer.launch({ image: host.image, ...sleeps });
    watcher.answer(id, Promise.reject(new Error('the disk is gone')));
    const termination = await endOf(host, id);
    expect(termination.failure?.message).toBe(
      `container ${id}: isolator test/watcher cannot watch it: the disk is gone`,
    );
    expect(termination.limitation).toBeUndefined();
  });

  it('lets a container be that has nothing to watch, and stops watching one that ends', async () => {
    const watcher = new Watcher();
    await using host = await startHost(beside(watcher));
    const { id } = await host.containerizer.launch({ image: host.image, ...sleeps });
    watcher.answer(id, Promise.resolve(undefined));
    const other = await host.containerizer.launch({
      image: host.image,
      command: ['/bin/sh', '-c', 'read x'],
      stdin: true,
    });
    const signal = watcher.signals.get(other.id) as AbortSignal;
    await using attachment = await host.containerizer.attach(other.id, { stdin: true });
    attachment.stdin?.end();
    if (!signal.aborted) await once(signal, 'abort');
    watcher.answer(other.id, Promise.resolve(limitation));
    expect((await endOf(host, other.id)).limitation).toBeUndefined();
    expect(await host.containerizer.status(id)).toMatchObject({ state: 'RUNNING' });
  });

  it('goes on in the next host program, which also sees an end through that was decided before', async () => {
    const [first, next] = [new Watcher(), new Watcher()];
    await using host = await startHost(beside(first));
    const folders = { root: host.root, stateRoot: host.stateRoot };
    const launched = [];
    for (const id of ['watched', 'decided'])
      launched.push(await host.containerizer.launch({ id, image: host.image, ...sleeps }));
    await host.containerizer[Symbol.asyncDispose]();
    expect(first.signals.get('watched')?.aborted).toBe(true);
    const record = join(host.stateRoot, 'containers', 'decided', 'state.json');
    writeFileSync(record, JSON.stringify({ ...JSON.parse(readFileSync(record, 'utf8')), limitation }));

    await using containerizer = await createContainerizer({ ...folders, ...beside(next) });
    await containerizer.recover();
    expect(await containerizer.wait('decided')).toMatchObject({ exit: { signal: 'SIGKILL' }, limitation });
    next.answer('watched', Promise.resolve(limitation));
    expect(await containerizer.wait('watched')).toMatchObject({ exit: { signal: 'SIGKILL' }, limitation });
  });
});
