import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { LaunchedContainer, LaunchRequest } from '@gantry/interface';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createLauncher } from '../src/index.js';
import { Host, processExists, processesCalled, skipNote, skipReason } from './support/host.js';

describe.skipIf(skipReason !== '')(`a launch that does not come to its exec${skipNote}`, () => {
  let host: Host;
  beforeAll(() => {
    host = new Host();
  });
  afterAll(() => host.dispose());

  const launcher = createLauncher();

  const failure = async (request: LaunchRequest) => {
    try {
      const container = await launcher.launch(request);
      try {
        await container.release();
      } catch (error) {
        expect(processExists(container.process.pid)).toBe(false);
        expect(await container.exit).toMatchObject({ type: 'unknown', reason: (error as Error).message });
        return error;
      }
      await container[Symbol.asyncDispose]();
    } catch (error) {
      return error;
    }
    return undefined;
  };

  it('tells the step, its errno and its path', async () => {
    const missing = host.request(['true'], (config) =>
      config.mounts.push({ destination: '/data', source: join(host.folder, 'absent'), options: ['bind'] }),
    );
    const error = await failure(missing);
    expect(error).toMatchObject({
      code: 'LAUNCH_FAILED',
      details: { name: 'bind', errno: 'ENOENT', path: join(host.folder, 'absent') },
    });
    const { step } = (error as { details: { step: number } }).details;
    expect(launcher.compile(missing).steps[step]).toMatchObject({ op: 'bind' });
    expect(readdirSync(missing.stateDir)).toEqual([]);
  });

  it.each([
    ['no-such-program', 'ENOENT', /not found in the image/],
    ['/etc', 'EACCES', /not executable/],
    ['/etc/script', 'ENOEXEC', /another machine/],
  ])('tells why %s cannot be run', async (program, errno, text) => {
    writeFileSync(join(host.rootfs, 'etc/script'), 'echo hello\n', { mode: 0o755 });
    const request = host.request([program]);
    const error = await failure(request);
    expect(error).toMatchObject({ code: 'LAUNCH_FAILED', details: { name: 'exec', errno, path: program } });
    expect((error as Error).message).toMatch(text);
    // Word of it for a host that is not there any more.
    expect(await launcher.readExit(request.stateDir)).toMatchObject({
      type: 'unknown',
      reason: expect.stringContaining('could not be started') as string,
    });
    expect(readdirSync(request.stateDir)).toEqual(['exit']);
  });

  it('refuses what it cannot send before anything is started', async () => {
    expect(await failure(host.request(['a\0b']))).toMatchObject({ code: 'INVALID_ARGUMENT' });
    expect(await failure(host.request(['x'.repeat(2 ** 20)]))).toMatchObject({ code: 'LIMIT_EXCEEDED' });
    expect(await failure({ ...host.request(['true']), stateDir: 'state' })).toMatchObject({ code: 'INVALID_ARGUMENT' });
    const gone = host.request(['true']);
    rmSync(gone.stateDir, { recursive: true });
    expect(await failure(gone)).toMatchObject({
      code: 'LAUNCH_FAILED',
      details: { errno: 'ENOENT', path: gone.stateDir },
    });
  });

  it('does not disturb the container that has the state folder', async () => {
    const request = host.request(['sleep', '1000']);
    await using container = await launcher.launch(request);
    await container.release();
    expect(await failure(request)).toMatchObject({ code: 'LAUNCH_FAILED', details: { errno: 'EADDRINUSE' } });
    await using again = await launcher.connect(request.id, request.stateDir);
    expect(again?.process).toEqual(container.process);
    await container.signal(9);
    expect(await container.exit).toMatchObject({ type: 'signaled', signal: 'SIGKILL' });
  });

  it('leaves nothing when it is aborted, however far it is', async () => {
    const mounts = readFileSync('/proc/self/mountinfo', 'utf8');
    const aborted = host.request(['true']);
    await expect(launcher.launch(aborted, { signal: AbortSignal.abort('at once') })).rejects.toMatchObject({
      code: 'ABORTED',
      cause: 'at once',
    });
    for (let turns = 0; turns < 12; turns++) {
      const request = host.request(['sleep', '1000']);
      const abort = new AbortController();
      const launch = launcher.launch(request, { signal: abort.signal }).then(
        (container) => container,
        (error: unknown) => error,
      );
      // Turns of the event loop rather than times: they spread over spawn, set-up and readiness.
      for (let turn = 0; turn < turns * turns; turn++) await new Promise((resolve) => setImmediate(resolve));
      abort.abort();
      const outcome = await launch;
      if (typeof outcome === 'object' && outcome !== null && 'release' in outcome) {
        await (outcome as unknown as AsyncDisposable)[Symbol.asyncDispose]();
      } else expect(outcome).toMatchObject({ code: 'ABORTED' });
      expect(readdirSync(request.stateDir)).toEqual([]);
    }
    expect(readFileSync('/proc/self/mountinfo', 'utf8')).toBe(mounts);
  });

  it('leaves nothing when it is aborted while it releases by itself, however far it is', async () => {
    for (let turns = 0; turns < 12; turns++) {
      const request = host.request(['sleep', '1000']);
      const abort = new AbortController();
      const { signal } = abort;
      await using pending = launcher.begin(request.id);
      await pending.announce(request);
      const launch = pending.launch(request, { signal, release: true }).then(
        (container) => container,
        (error: unknown) => error,
      );
      for (let turn = 0; turn < turns * turns; turn++) await new Promise((resolve) => setImmediate(resolve));
      abort.abort();
      const outcome = await launch;
      if (typeof outcome === 'object' && outcome !== null && 'release' in outcome) {
        const container = outcome as LaunchedContainer;
        await container.signal(9);
        await container.exit;
      } else expect(outcome).toMatchObject({ code: 'ABORTED' });
      // A shim that has told the exit is about to end.
      await expect.poll(() => processesCalled(request.id)).toEqual([]);
    }
  });

  it('takes an announced process back if it is disposed without a launch', async () => {
    const request = host.request(['true']);
    // A spare would not have its id yet.
    const pending = createLauncher({ spareShim: false }).begin(request.id);
    await pending.announce(request);
    await expect(pending.announce(request)).rejects.toMatchObject({ code: 'WRONG_STATE' });
    await expect(pending.launch({ ...request })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    while (processesCalled(request.id).length < 2) await new Promise((resolve) => setImmediate(resolve));
    await pending[Symbol.asyncDispose]();
    await expect.poll(() => processesCalled(request.id)).toEqual([]);
    await expect(pending.launch(request)).rejects.toMatchObject({ code: 'WRONG_STATE' });
    expect(readdirSync(request.stateDir)).toEqual([]);
  });

  it('leaves nothing of a plan that is too long to be sent', async () => {
    const request = host.request(['true', 'x'.repeat(2 ** 20)]);
    const pending = createLauncher({ spareShim: false }).begin(request.id);
    await pending.announce(request);
    await expect(pending.launch(request)).rejects.toMatchObject({ code: 'LIMIT_EXCEEDED' });
    await pending[Symbol.asyncDispose]();
    await expect.poll(() => processesCalled(request.id)).toEqual([]);
  });

  it('refuses what it cannot carry out when it is announced', async () => {
    const request = host.request(['true'], (config) => {
      config.ociVersion = '2.0.0';
    });
    await using pending = launcher.begin(request.id);
    await expect(pending.announce(request)).rejects.toMatchObject({ code: 'UNSUPPORTED' });
  });

  it('ends a container that is disposed before its release', async () => {
    const request = host.request(['sleep', '1000']);
    const container = await launcher.launch(request);
    expect(container.released).toBe(false);
    expect([container.process.pid, container.shimPid].every(processExists)).toBe(true);
    await container[Symbol.asyncDispose]();
    expect(processExists(container.process.pid)).toBe(false);
    expect(existsSync(join(request.stateDir, 'shim.sock'))).toBe(false);
    await expect(container.release()).rejects.toMatchObject({ code: 'CLOSED' });
    await expect(container.signal(15)).rejects.toMatchObject({ code: 'CLOSED' });
  });
});
