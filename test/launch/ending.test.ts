import { once } from 'node:events';
import { mkdirSync, readFileSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createContainerizer } from '@gantry/containerizer';
import type { ContainerId, Isolator, Provisioner } from '@gantry/interface';
import { createProvisioner } from '@gantry/provisioner';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { requires } from '../support/requires.js';
import { outputMatching, startHost, type TestHost } from './host.js';

const sleeps = { command: ['/bin/sleep', '1000'] };

/** An isolator that holds up a launch where a test wants it, and cannot clean up while a test says so. */
class Hindrance implements Isolator {
  readonly name = 'test/hindrance';
  readonly after = ['*'];
  readonly cleaned: ContainerId[] = [];
  stuckIn: 'edits' | 'prepare' | 'isolate' | undefined;
  dirty = false;
  readonly #reached = new EventTarget();

  /** Resolves once a launch is held up. */
  reached(): Promise<unknown> {
    return once(this.#reached, 'reached');
  }

  async edits(_: unknown, options?: { readonly signal?: AbortSignal }) {
    await this.#pass('edits', options);
    return {};
  }

  prepare(_: unknown, options?: { readonly signal?: AbortSignal }) {
    return this.#pass('prepare', options);
  }

  isolate(_id: ContainerId, _pid: number, options?: { readonly signal?: AbortSignal }) {
    return this.#pass('isolate', options);
  }

  async cleanup(id: ContainerId) {
    if (this.dirty)
      throw Object.assign(new Error('rmdir: still in use'), { code: 'EBUSY', errno: -16, syscall: 'rmdir' });
    this.cleaned.push(id);
  }

  async #pass(at: Hindrance['stuckIn'], { signal }: { readonly signal?: AbortSignal } = {}): Promise<void> {
    if (this.stuckIn !== at || !signal) return;
    this.#reached.dispatchEvent(new Event('reached'));
    if (!signal.aborted) await once(signal, 'abort');
    throw signal.reason;
  }
}

requires({ root: true })('a container that is ended', () => {
  let host: TestHost;
  let hindrance: Hindrance;
  const beside = (own: readonly Isolator[]) => [...own, hindrance];
  beforeAll(async () => {
    hindrance = new Hindrance();
    host = await startHost({ isolators: beside });
  });
  beforeEach(() => {
    hindrance.stuckIn = undefined;
    hindrance.dirty = false;
  });
  afterEach(async () => {
    hindrance.dirty = false;
    const ids: ContainerId[] = [];
    for await (const { id } of host.containerizer.containers()) ids.unshift(id);
    // Nested ones first, which their parents would take along.
    for (const id of ids) {
      await host.containerizer.destroy(id);
      await host.containerizer.remove(id);
    }
  });
  afterAll(() => host[Symbol.asyncDispose]());

  it.each(['edits', 'prepare', 'isolate'] as const)('while isolators are at their %s is undone', async (step) => {
    const { containerizer, image } = host;
    hindrance.stuckIn = step;
    const reached = hindrance.reached();
    const launched = containerizer.launch({ id: 'held', image, ...sleeps });
    const refused = expect(launched).rejects.toMatchObject({ code: 'ABORTED' });
    await reached;
    const { pid } = await containerizer.status('held');
    expect(await containerizer.destroy('held')).toMatchObject({ destroyed: true });
    await refused;
    expect(await containerizer.status('held')).toMatchObject({ state: 'DESTROYED', failedSteps: [] });
    if (pid !== undefined) expect(() => process.kill(pid, 0)).toThrow(/ESRCH/);
    if (step !== 'edits') expect(hindrance.cleaned).toContain('held');
  });

  it('while its root is made is undone', async () => {
    const { image, root } = host;
    const stateRoot = join(root, '..', 'provisioning-state');
    const made = createProvisioner({ root: join(root, 'provisioner-held') });
    let reach: () => void = () => undefined;
    const reached = new Promise<void>((resolve) => {
      reach = resolve;
    });
    const provisioner: Provisioner = {
      describe: (id, source) => made.describe(id, source),
      async provision(id, source, options) {
        const rootfs = await made.provision(id, source, options);
        reach();
        if (!options?.signal?.aborted) await once(options?.signal as AbortSignal, 'abort');
        return rootfs;
      },
      destroy: (id) => made.destroy(id),
      list: () => made.list(),
    };
    await using containerizer = await createContainerizer({ root, stateRoot, provisioner });
    const launched = containerizer.launch({ id: 'half-made', image, ...sleeps });
    const refused = expect(launched).rejects.toMatchObject({ code: 'ABORTED' });
    await reached;
    expect((await containerizer.status('half-made')).state).toBe('PROVISIONING');
    expect(await containerizer.destroy('half-made')).toMatchObject({ destroyed: true });
    await refused;
    for await (const id of made.list()) expect(id).toBe('no longer there');
    await containerizer.remove('half-made');
  });

  it('tells which step of its clean-up failed and why, does the others, and tries again', async () => {
    const { containerizer, image } = host;
    await containerizer.launch({ id: 'dirty', image, ...sleeps });
    hindrance.dirty = true;
    const failed = [{ name: 'isolator test/hindrance', errno: 'EBUSY', message: 'rmdir: still in use' }];
    await expect(containerizer.destroy('dirty')).rejects.toMatchObject({ code: 'CLEANUP_FAILED' });
    await expect(containerizer.destroy('dirty')).rejects.toMatchObject({ details: { steps: failed } });
    expect(await containerizer.status('dirty')).toMatchObject({ state: 'DESTROYED', failedSteps: failed });
    expect(await containerizer.wait('dirty')).toMatchObject({ exit: { type: 'signaled', signal: 'SIGKILL' } });
    // The control groups are gone, so nothing can be measured; the id can be used again once all is done.
    await expect(containerizer.usage('dirty')).rejects.toMatchObject({ code: 'WRONG_STATE' });
    hindrance.dirty = false;
    expect(await containerizer.destroy('dirty')).toMatchObject({ exit: { signal: 'SIGKILL' } });
    expect((await containerizer.status('dirty')).failedSteps).toEqual([]);
  });

  it('has what was left of it cleaned up by the next host program', async () => {
    const { image, root, stateRoot } = host;
    const first = await createContainerizer({ root, stateRoot, isolators: beside });
    await first.launch({ id: 'left', image, ...sleeps });
    hindrance.dirty = true;
    await expect(first.destroy('left')).rejects.toMatchObject({ code: 'CLEANUP_FAILED' });
    await first[Symbol.asyncDispose]();
    const failing = await createContainerizer({ root, stateRoot, isolators: beside });
    expect((await failing.recover()).failed).toMatchObject([{ id: 'left' }]);
    await failing[Symbol.asyncDispose]();
    hindrance.dirty = false;
    await using next = await createContainerizer({ root, stateRoot, isolators: beside });
    expect((await next.recover()).failed).toEqual([]);
    expect(await next.status('left')).toMatchObject({ state: 'DESTROYED', failedSteps: [] });
    await next.remove('left');
  });

  it('is cleaned up by the next host program, too, if it could not be written that something was left', async () => {
    const { image, root, stateRoot } = host;
    const first = await createContainerizer({ root, stateRoot, isolators: beside });
    await first.launch({ id: 'unwritten', image, ...sleeps });
    hindrance.dirty = true;
    const path = join(stateRoot, 'containers', 'unwritten', 'state.json');
    const record = readFileSync(path);
    // What is in the way of the record is not in the way of the termination.
    rmSync(path);
    mkdirSync(path);
    await expect(first.destroy('unwritten')).rejects.toMatchObject({ code: 'CLEANUP_FAILED' });
    await first[Symbol.asyncDispose]();
    rmdirSync(path);
    writeFileSync(path, record);
    hindrance.dirty = false;
    hindrance.cleaned.length = 0;
    await using next = await createContainerizer({ root, stateRoot, isolators: beside });
    expect(await next.recover()).toMatchObject({ cleaned: ['unwritten'], failed: [] });
    expect(hindrance.cleaned).toContain('unwritten');
    expect((await next.wait('unwritten')).exit).toMatchObject({ type: 'signaled', signal: 'SIGKILL' });
    await next.remove('unwritten');
  });

  it('had its own limits changed while it was nested', async () => {
    const { containerizer, image } = host;
    const mib = 2 ** 20;
    const script = 'echo ready; read line; exec tail -c 40000000 /dev/zero';
    await containerizer.launch({ id: 'outer', image, ...sleeps, resources: { limits: { memory: 256 * mib } } });
    const spec = { image, parent: 'outer', stdin: true, command: ['/bin/sh', '-c', script] };
    await containerizer.launch({ id: 'inner', ...spec, resources: { limits: { memory: 128 * mib } } });
    await outputMatching(containerizer, 'inner', /ready/);
    await containerizer.update('inner', { limits: { memory: 32 * mib } });
    expect(await containerizer.usage('inner')).toMatchObject({ memory: { limit: 32 * mib } });
    expect(await containerizer.usage('outer')).toMatchObject({ memory: { limit: 256 * mib } });
    await using attachment = await containerizer.attach('inner', { stdin: true });
    attachment.stdin?.write('go\n');
    expect(await containerizer.wait('inner')).toMatchObject({ limitation: { resource: 'memory' } });
    expect((await containerizer.status('outer')).state).toBe('RUNNING');
  });
});
