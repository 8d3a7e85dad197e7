import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { createContainerizer } from '@gantry/containerizer';
import type { Containerizer, ContainerStatus, Launcher } from '@gantry/interface';
import { createLauncher } from '@gantry/launcher';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { requires } from '../support/requires.js';
import { outputMatching, startHost, type TestHost } from './host.js';

const waits = { command: ['/bin/sh', '-c', 'trap "exit 7" TERM; echo ready; while :; do sleep 0.1; done'] };

requires({ root: true })('a host program that dies and leaves more than single containers', () => {
  let host: TestHost;
  let stateRoot: string;
  let next: Containerizer | undefined;
  let program: ChildProcess | undefined;
  beforeEach(async () => {
    host = await startHost();
    stateRoot = join(host.root, '..', 'other-state');
    await host.run({ command: ['/bin/true'] });
  });
  afterEach(async () => {
    await kill();
    for await (const { id } of next?.containers() ?? []) await next?.destroy(id);
    await next?.[Symbol.asyncDispose]();
    next = undefined;
    await host[Symbol.asyncDispose]();
  });

  async function launchElsewhere(...specs: object[]): Promise<ContainerStatus[]> {
    const script = fileURLToPath(new URL('./host-program.mjs', import.meta.url));
    const texts = specs.map((spec) => JSON.stringify(spec));
    program = spawn(process.execPath, [script, host.root, stateRoot, ...texts], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const launched: ContainerStatus[] = [];
    for await (const line of createInterface({ input: program.stdout as NodeJS.ReadableStream })) {
      launched.push(JSON.parse(line) as ContainerStatus);
      if (launched.length === specs.length) return launched;
    }
    throw new Error('the host program ended before its containers ran');
  }

  async function kill(): Promise<void> {
    if (!program || program.exitCode !== null || program.signalCode !== null) return;
    const gone = once(program, 'exit');
    program.kill('SIGKILL');
    await gone;
  }

  async function recover() {
    next = await createContainerizer({ root: host.root, stateRoot });
    return { next, report: await next.recover() };
  }

  const pod = () => ({
    id: 'pod',
    volumes: ['data'],
    containers: ['one', 'two'].map((id) => ({ id, image: host.image, ...waits })),
  });

  /** Kills the first process of a container, and waits until its shim has seen that. */
  async function killFirst(container: ContainerStatus | undefined): Promise<void> {
    process.kill(container?.pid ?? 0, 'SIGKILL');
    const record = join(stateRoot, 'containers', container?.id ?? '', 'exit');
    await expect.poll(() => existsSync(record)).toBe(true);
  }

  it('is followed by one that finds a pod whole, and ends it by its policy', async () => {
    await launchElsewhere(pod());
    await kill();
    const { next, report } = await recover();
    expect([...report.running].sort()).toEqual(['one', 'pod', 'two']);
    await Promise.all(['one', 'two'].map((id) => outputMatching(next, id, /ready/)));
    await next.kill('one', 'SIGKILL');
    await next.wait('pod');
    expect((await next.wait('two')).exit).toMatchObject({ type: 'exited', code: 7 });
    await next.remove('pod');
    expect(await next.recover()).toMatchObject({ running: [], cleaned: [], failed: [] });
  });

  it('is followed by one that leaves nothing of a pod that was not launched whole', async () => {
    await launchElsewhere(pod());
    await kill();
    rmSync(join(stateRoot, 'containers', 'pod', 'complete'));
    const { next, report } = await recover();
    expect(report.failed).toEqual([]);
    for (const id of ['one', 'two', 'pod']) expect((await next.status(id)).state).toBe('DESTROYED');
    expect((await next.wait('pod')).failure).toMatchObject({ code: 'ABORTED' });
  });

  it('is followed by one that ends what was nested in a container that has ended meanwhile', async () => {
    const nested = (id: string, parent?: string) => ({
      id,
      image: host.image,
      ...waits,
      ...(parent ? { parent } : {}),
    });
    const [top] = await launchElsewhere(nested('top'), nested('middle', 'top'), nested('bottom', 'middle'));
    await kill();
    await killFirst(top);
    const { next, report } = await recover();
    expect(report).toMatchObject({ foreign: [], failed: [] });
    for (const id of ['bottom', 'middle', 'top']) await next.wait(id);
    expect((await next.wait('top')).exit).toMatchObject({ type: 'signaled', signal: 'SIGKILL' });
    expect((await next.wait('bottom')).failure).toMatchObject({ code: 'ABORTED' });
    expect(await next.recover()).toMatchObject({ running: [], cleaned: [], failed: [] });
  });

  it('is followed by one that tells what was nested and cannot be ended, and recovers the rest', async () => {
    const nested = (id: string, parent?: string) => ({
      id,
      image: host.image,
      ...waits,
      ...(parent ? { parent } : {}),
    });
    const [top] = await launchElsewhere(nested('top'), nested('child', 'top'), nested('other'));
    await kill();
    await killFirst(top);
    const launcher = createLauncher();
    let refuses = true;
    const refuse = () => Promise.reject(new Error('not today'));
    const stubborn: Launcher = {
      ...launcher,
      async connect(id, stateDir, options) {
        const handle = await launcher.connect(id, stateDir, options);
        if (!handle || id !== 'child') return handle;
        return new Proxy(handle, {
          get(target, name) {
            const value: unknown = name === 'signal' && refuses ? refuse : Reflect.get(target, name, target);
            return typeof value === 'function' ? value.bind(target) : value;
          },
        });
      },
      killOrphan: (orphan) => (refuses ? refuse() : launcher.killOrphan(orphan)),
    };
    next = await createContainerizer({ root: host.root, stateRoot, launcher: stubborn });
    const report = await next.recover();
    expect(report).toMatchObject({ running: expect.arrayContaining(['other']) as string[], cleaned: ['top'] });
    expect(report.failed).toMatchObject([{ id: 'child', message: expect.stringContaining('not today') as string }]);
    refuses = false;
    expect(await next.destroy('child')).toMatchObject({ exit: { type: 'signaled', signal: 'SIGKILL' } });
  });

  it('is followed by one that finds a paused container paused', async () => {
    const first = await createContainerizer({ root: host.root, stateRoot });
    await first.launch({ id: 'still', image: host.image, ...waits });
    await outputMatching(first, 'still', /ready/);
    await first.pause('still');
    await first[Symbol.asyncDispose]();
    const { next, report } = await recover();
    expect(report.running).toEqual(['still']);
    expect((await next.status('still')).state).toBe('PAUSED');
    await next.resume('still');
    expect((await next.stop('still')).exit).toMatchObject({ type: 'exited', code: 7 });
  });

  it('may also close while it launches a pod, or ends a container: both are seen through', async () => {
    const first = await createContainerizer({ root: host.root, stateRoot });
    await first.launch({ id: 'ending', image: host.image, ...waits });
    await outputMatching(first, 'ending', /ready/);
    const stopped = first.stop('ending');
    const launched = first.launchPod(pod());
    const refused = expect(launched).rejects.toMatchObject({ code: 'ABORTED' });
    await first[Symbol.asyncDispose]();
    await refused;
    expect((await stopped).exit).toMatchObject({ type: 'exited', code: 7 });
    const { next, report } = await recover();
    expect(report).toEqual({ running: [], cleaned: [], foreign: [], failed: [] });
    expect((await next.wait('ending')).exit).toMatchObject({ type: 'exited', code: 7 });
  });
});
