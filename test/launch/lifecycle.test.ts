import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type LaunchStep, launchStepChannel } from '@gantry/containerizer';
import { type ContainerState, isGantryError } from '@gantry/interface';
import { createRegistryClient } from '@gantry/registry-client';
import { createImageStore } from '@gantry/store';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { requires } from '../support/requires.js';
import { outputMatching, startHost, type TestHost } from './host.js';

const sh = (script: string) => ({ command: ['/bin/sh', '-c', script] });
const waits = sh('echo ready; trap "exit 7" TERM; while :; do sleep 1; done');

async function failure(run: () => Promise<unknown>) {
  try {
    await run();
  } catch (error) {
    if (isGantryError(error)) return error;
    throw error;
  }
  throw new Error('it did not fail');
}

requires({ root: true })('the life of a container', () => {
  let host: TestHost;
  beforeAll(async () => {
    host = await startHost();
  });
  afterAll(() => host[Symbol.asyncDispose]());

  it('goes through every state, in order, and ends with the exit code', async () => {
    const states: ContainerState[] = [];
    const listen = ({ to }: { to: ContainerState }) => states.push(to);
    host.containerizer.on('state', listen);
    const { termination, stdout, stderr } = await host.run(sh('echo out; echo err >&2; exit 3'));
    host.containerizer.off('state', listen);
    expect(termination.exit).toMatchObject({ type: 'exited', code: 3 });
    expect({ stdout, stderr }).toEqual({ stdout: 'out\n', stderr: 'err\n' });
    expect(states).toEqual([
      'STARTING',
      'PROVISIONING',
      'PREPARING',
      'ISOLATING',
      'RUNNING',
      'DESTROYING',
      'DESTROYED',
    ]);
  });

  it('is told to who follows the events, and each step of its launch to who listens to the channel', async () => {
    const steps: LaunchStep[] = [];
    const note = (step: unknown) => steps.push(step as LaunchStep);
    subscribe(launchStepChannel, note);
    const abort = new AbortController();
    const events = host.containerizer.events();
    const left = host.containerizer.events();
    const aborted = host.containerizer.events({ signal: abort.signal });
    const { termination, id } = await host.run(sh('exit 3'));
    unsubscribe(launchStepChannel, note);
    const seen: string[] = [];
    for await (const event of events) {
      seen.push(event.type === 'state' ? event.to : event.type);
      if (event.type !== 'terminated') continue;
      expect(event.termination).toEqual(termination);
      break;
    }
    expect(seen).toEqual([
      ...['STARTING', 'PROVISIONING', 'PREPARING', 'ISOLATING', 'RUNNING', 'DESTROYING', 'DESTROYED'],
      'terminated',
    ]);
    expect(await events.next()).toEqual({ value: undefined, done: true });
    expect(await left.return?.()).toMatchObject({ done: true });
    abort.abort();
    const both = await Promise.allSettled([aborted.next(), aborted.next()]);
    for (const { status } of both) expect(status).toBe('rejected');
    expect(() => host.containerizer.events({ signal: abort.signal })).toThrow('aborted');

    const { timings } = await host.containerizer.status(id);
    const sums = new Map<string, number>();
    for (const { step, duration } of steps) sums.set(step, (sums.get(step) ?? 0) + duration);
    expect(Object.fromEntries(sums)).toEqual(timings);
    expect(new Set(steps.map((step) => step.id))).toEqual(new Set([id]));
  });

  it('reports the signal that ended it', async () => {
    // The first process of a pid namespace is deaf to its own SIGKILL.
    expect(await host.run(sh('kill -KILL $$; echo alive'))).toMatchObject({
      stdout: 'alive\n',
      termination: { exit: { code: 0 } },
    });
    const { containerizer, image } = host;
    const { id } = await containerizer.launch({ image, ...waits });
    await containerizer.kill(id, 'SIGKILL');
    expect((await containerizer.wait(id)).exit).toMatchObject({ type: 'signaled', signal: 'SIGKILL' });
  });

  it('is stopped by its stop signal, and by SIGKILL when it does not listen', async () => {
    const { containerizer, image } = host;
    const polite = await containerizer.launch({ image, ...waits });
    await outputMatching(containerizer, polite.id, /ready/);
    expect(await containerizer.stop(polite.id)).toMatchObject({ exit: { type: 'exited', code: 7 }, destroyed: true });
    const deaf = await containerizer.launch({ image, ...sh('trap "" TERM; echo ready; while :; do sleep 1; done') });
    await outputMatching(containerizer, deaf.id, /ready/);
    expect((await containerizer.stop(deaf.id, { graceMs: 100 })).exit).toMatchObject({
      type: 'signaled',
      signal: 'SIGKILL',
    });
  });

  it('is launched once, however often the same launch is asked for', async () => {
    const { containerizer, image } = host;
    const spec = { id: 'once', image, ...waits };
    const launches = await Promise.all([
      containerizer.launch(spec),
      containerizer.launch(spec),
      containerizer.launch({ ...spec }),
    ]);
    expect(new Set(launches.map((status) => status.pid)).size).toBe(1);
    expect((await failure(() => containerizer.launch({ ...spec, hostname: 'other' }))).code).toBe('ALREADY_EXISTS');
    await containerizer.destroy('once');
    expect((await failure(() => containerizer.launch(spec))).code).toBe('ALREADY_EXISTS');
    await containerizer.remove('once');
    expect((await failure(() => containerizer.status('once'))).code).toBe('NOT_FOUND');
  });

  it('shows its pid, usage and limits while it runs', async () => {
    const { containerizer, image } = host;
    const limits = { memory: 64 * 2 ** 20, pids: 50, cpus: 0.5 };
    const { id, pid } = await containerizer.launch({ image, ...waits, resources: { limits } });
    await outputMatching(containerizer, id, /ready/);
    expect(readFileSync(`/proc/${pid}/cmdline`, 'utf8')).toContain('/bin/sh');
    const usage = await containerizer.usage(id);
    expect(usage.memory?.limit).toBe(limits.memory);
    expect(usage.memory?.current).toBeGreaterThan(0);
    expect(usage.cpu?.total).toBeGreaterThan(0);
    expect(usage.pids).toMatchObject({ limit: 50 });
    expect(usage.pids?.current).toBeGreaterThanOrEqual(1);
    await containerizer.destroy(id);
  });

  it('tells that memory ran out', async () => {
    const { termination } = await host.run({
      ...sh('x=a; while :; do x=$x$x; done'),
      resources: { limits: { memory: 32 * 2 ** 20 } },
    });
    expect(termination.limitation).toMatchObject({ isolator: 'cgroups/mem', resource: 'memory' });
    expect(termination.exit).toMatchObject({ type: 'signaled', signal: 'SIGKILL' });
  });

  it('cannot have more processes than its limit', async () => {
    const { stdout, stderr } = await host.run({
      ...sh('for i in 1 2 3 4 5 6 7 8 9 10; do sleep 5 & done; echo started'),
      resources: { limits: { pids: 5 } },
    });
    expect(stdout).not.toContain('started');
    expect(stderr).toMatch(/fork/);
  });

  it('fails with the step and the cause, and leaves only its termination', async () => {
    const { containerizer, image } = host;
    const error = await failure(() => containerizer.launch({ id: 'nothing', image, command: ['/no/such/program'] }));
    expect(error.code).toBe('LAUNCH_FAILED');
    expect(error.details).toMatchObject({ name: 'exec', errno: 'ENOENT', path: '/no/such/program' });
    const { state, termination } = await containerizer.status('nothing');
    expect(state).toBe('DESTROYED');
    expect(termination?.failure?.code).toBe('LAUNCH_FAILED');
    const roots = readdirSync(host.root).map((folder) => join(host.root, folder, 'containers', 'nothing'));
    expect(roots.filter(existsSync)).toEqual([]);
  });

  it('keeps its image from garbage collection while it lives, and no longer', async () => {
    const { containerizer, image, root, registry } = host;
    const store = createImageStore({ root: join(root, 'store'), registry: createRegistryClient(), unpackHoldMs: 0 });
    const reference = `${registry.address}/kept:latest`;
    await host.run({ command: ['/bin/true'] });
    await store.tag(image, reference);
    const { id } = await containerizer.launch({ image: reference, ...sh('sleep 1000') });
    const leases = async () => {
      const ids: (string | undefined)[] = [];
      for await (const lease of store.leases()) ids.push(lease.id.split('/').at(-1));
      return ids;
    };
    expect(await leases()).toEqual([id]);
    for (const name of [image, reference]) await store.remove(name);
    expect(await store.collectGarbage()).toMatchObject({ blobs: 0, layers: 0 });
    await using still = await containerizer.exec(id, { command: ['/bin/true'] });
    expect(await still.exit).toMatchObject({ code: 0 });
    await containerizer.destroy(id);
    expect(await leases()).toEqual([]);
  });

  it('says which image is not there', async () => {
    const image = `${host.registry.address}/absent:latest`;
    const error = await failure(() => host.containerizer.launch({ image }));
    expect(error.code).toBe('NOT_FOUND');
    expect(error.message).toContain('absent');
  });

  it('can be destroyed while it is being pulled', async () => {
    const { containerizer, registry } = host;
    using _stalled = registry.fault({ path: /\/manifests\// }, { type: 'stall' });
    const image = `${registry.address}/busybox:latest`;
    const pulling = new Promise<void>((resolve) => {
      const launch = containerizer.launch(
        { id: 'pulled', image, pull: { force: true }, ...waits },
        { onProgress: () => resolve() },
      );
      launch.catch(() => resolve());
    });
    await pulling;
    const termination = await containerizer.destroy('pulled');
    expect(termination).toMatchObject({ destroyed: true });
    expect(termination.exit).toBeUndefined();
  });

  it('is undone when its caller aborts the launch', async () => {
    const { containerizer, image } = host;
    const controller = new AbortController();
    const abortAt = ({ id, to }: { id: string; to: ContainerState }) => {
      if (id === 'aborted' && to === 'ISOLATING') controller.abort();
    };
    containerizer.on('state', abortAt);
    const error = await failure(() =>
      containerizer.launch({ id: 'aborted', image, ...waits }, { signal: controller.signal }),
    );
    containerizer.off('state', abortAt);
    expect(error.code).toBe('ABORTED');
    expect((await containerizer.status('aborted')).state).toBe('DESTROYED');
  });

  it('ends its wait, not the container, when the waiter gives up', async () => {
    const { containerizer, image } = host;
    const { id } = await containerizer.launch({ image, ...waits });
    const error = await failure(() => containerizer.wait(id, { signal: AbortSignal.abort() }));
    expect(error.code).toBe('ABORTED');
    expect((await containerizer.status(id)).state).toBe('RUNNING');
    await containerizer.destroy(id);
  });

  it('shows what a launch would do without doing it', async () => {
    const { containerizer, image, stateRoot } = host;
    const { config, plan } = await containerizer.plan({ id: 'planned', image, command: ['/bin/true'] });
    expect(config.process.args).toEqual(['/bin/true']);
    expect(plan.steps.at(-1)).toMatchObject({ op: 'exec', argv: ['/bin/true'] });
    expect(existsSync(join(stateRoot, 'containers', 'planned'))).toBe(false);
    expect(existsSync(`/sys/fs/cgroup${config.linux.cgroupsPath}`)).toBe(false);
  });
});
