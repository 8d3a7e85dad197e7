import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createContainerizer } from '@gantry/containerizer';
import type { Isolator } from '@gantry/interface';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { eventually } from '../support/eventually.mjs';
import { requires } from '../support/requires.js';
import { outputMatching, startHost, type TestHost } from './host.js';

const waits = { command: ['/bin/sh', '-c', 'trap "exit 7" TERM; echo ready; while :; do sleep 0.1; done'] };

/** An isolator of somebody else's, with a fault. */
const faulty = (fault: Partial<Isolator>): Isolator => ({ name: 'test/faulty', edits: async () => ({}), ...fault });

requires({ root: true })('a container of whose parts one', () => {
  let host: TestHost | undefined;
  let fault: Partial<Isolator>;
  beforeEach(() => {
    fault = {};
  });
  afterEach(async () => {
    fault.cleanup = async () => undefined;
    await host?.[Symbol.asyncDispose]();
    host = undefined;
  });
  const start = async () => {
    const isolator = faulty(fault);
    host = await startHost({ isolators: (own) => [...own, Object.assign(isolator, fault)] });
    return { host, isolator };
  };

  it.each([undefined, null, 'no reason', 42])('cleans up by throwing %s ends all the same', async (thrown) => {
    const { host, isolator } = await start();
    isolator.cleanup = () => Promise.reject(thrown);
    const { id } = await host.containerizer.launch({ image: host.image, command: ['/bin/true'] });
    expect((await host.containerizer.wait(id)).exit).toMatchObject({ code: 0 });
    const failedSteps = [{ name: 'isolator test/faulty', message: String(thrown) }];
    expect(await host.containerizer.status(id)).toMatchObject({ state: 'DESTROYED', failedSteps });
    isolator.cleanup = async () => undefined;
    expect(await host.containerizer.destroy(id)).toMatchObject({ exit: { code: 0 } });
  });

  it('cannot tell the status of what it recovers is followed to its end', async () => {
    const { host } = await start();
    const { root, stateRoot, image } = host;
    const { id } = await host.containerizer.launch({ image, ...waits });
    await outputMatching(host.containerizer, id, /ready/);
    await host.containerizer[Symbol.asyncDispose]();
    const isolators = (own: readonly Isolator[]) => [
      ...own,
      faulty({ status: () => Promise.reject(new Error('torn')) }),
    ];
    await using next = await createContainerizer({ root, stateRoot, isolators });
    const report = await next.recover();
    expect(report).toMatchObject({ running: [id], cleaned: [] });
    expect(report.failed).toMatchObject([{ id, message: expect.stringContaining('torn') as string }]);
    await next.kill(id, 'SIGTERM');
    expect((await next.wait(id)).exit).toMatchObject({ type: 'exited', code: 7 });
  });

  it('changes its limits while it is paused is paused, and has the limits, for the next host program', async () => {
    const { host } = await start();
    const { containerizer, image, stateRoot } = host;
    const { id } = await containerizer.launch({ image, ...waits });
    const limits = [{ pids: 70 }, { pids: 80 }].map((each) => ({ limits: each }));
    await Promise.all([containerizer.pause(id), ...limits.map((each) => containerizer.update(id, each))]);
    const record = JSON.parse(readFileSync(join(stateRoot, 'containers', id, 'state.json'), 'utf8')) as object;
    expect(record).toMatchObject({ paused: true, resources: { limits: { pids: 80 } } });
    expect(await containerizer.usage(id)).toMatchObject({ pids: { limit: 80 } });
  });

  it.each(['stop', 'destroy'] as const)('is a shim that does not answer can be ended by %s', async (call) => {
    const { host } = await start();
    const { containerizer, image, stateRoot } = host;
    const { id, pid = 0, shimPid = 0 } = await containerizer.launch({ image, ...waits });
    process.kill(shimPid, 'SIGSTOP');
    try {
      const ended = await containerizer[call](id, { graceMs: 100 });
      expect(ended.exit).toMatchObject({
        type: 'unknown',
        reason: expect.stringContaining('did not answer') as string,
      });
      // Reaped by nobody before its shim goes on.
      expect(readFileSync(`/proc/${pid}/stat`, 'utf8')).toMatch(/\) Z /);
      expect(await containerizer.status(id)).toMatchObject({ state: 'DESTROYED', failedSteps: [] });
    } finally {
      process.kill(shimPid, 'SIGCONT');
    }
    expect(
      await eventually(
        async () => existsSync(`/proc/${shimPid}`),
        (there) => !there,
      ),
    ).toBe(false);
    expect(existsSync(join(stateRoot, 'containers', id, 'termination.json'))).toBe(true);
  });
});
