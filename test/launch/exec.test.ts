import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { createContainerizer } from '@gantry/containerizer';
import type { EnteredProcess, ExecSpec, ExitStatus } from '@gantry/interface';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { requires } from '../support/requires.js';
import { readOutput, startHost, type TestHost } from './host.js';

const script = (line: string): Pick<ExecSpec, 'command'> => ({ command: ['/bin/sh', '-c', line] });

/** Until something is so, on a busy machine too. */
const patiently = { timeout: 20_000 };

/** Resolves once the process has written this; its output stays open. */
async function said(entered: EnteredProcess, words: string): Promise<void> {
  let all = '';
  await new Promise<void>((resolve) => {
    entered.stdout.on('data', (chunk) => {
      all += String(chunk);
      if (all.includes(words)) resolve();
    });
  });
}

requires({ root: true })('a process beside the first one', () => {
  let host: TestHost;
  let id: string;
  beforeAll(async () => {
    host = await startHost();
    const { image } = host;
    ({ id } = await host.containerizer.launch({
      image,
      command: ['/bin/sleep', '100000'],
      env: { COLOUR: 'red', SHAPE: 'round' },
      workingDir: '/tmp',
      hostname: 'box',
      resources: { limits: { memory: 64 * 2 ** 20, pids: 20 } },
    }));
  });
  afterAll(() => host[Symbol.asyncDispose]());

  async function outcome(
    spec: ExecSpec,
    input?: string,
  ): Promise<{ stdout: string; stderr: string; exit: ExitStatus }> {
    await using entered = await host.containerizer.exec(id, spec);
    entered.stdin.end(input);
    const [stdout, stderr, exit] = await Promise.all([text(entered.stdout), text(entered.stderr), entered.exit]);
    return { stdout, stderr, exit };
  }

  it('has its own streams and exit code, and leaves the log alone', async () => {
    const { stdout, stderr, exit } = await outcome(script('cat; echo err >&2; exit 3'), 'hello\n');
    expect({ stdout, stderr }).toEqual({ stdout: 'hello\n', stderr: 'err\n' });
    expect(exit).toMatchObject({ type: 'exited', code: 3 });
    expect(await readOutput(host.containerizer, id)).toEqual({ stdout: '', stderr: '' });
  });

  it('is in the namespaces, the control groups and the root of the container', async () => {
    const links = 'for name in mnt pid ipc uts net cgroup; do readlink /proc/$1/ns/$name; done';
    const groups = 'grep -E ":(cpu|memory|pids|)[,:]" /proc/$1/cgroup';
    const both = `look() { ${links}; ${groups}; readlink /proc/$1/root; }; look 1; echo; look $$`;
    const { stdout, stderr } = await outcome(script(both));
    expect(stderr).toBe('');
    const [first, own] = stdout.split('\n\n');
    expect(own?.trim()).toBe(first?.trim());
    expect(first?.split('\n').length).toBeGreaterThan(6);
  });

  it('has the limits and privileges of the first process, and no descriptor of the host', async () => {
    const facts =
      'grep -E "^(Cap|NoNewPrivs|Seccomp|Groups|Uid|Umask|SigBlk)" /proc/$1/status; cat /proc/$1/limits; cat /proc/$1/oom_score_adj';
    const { stdout } = await outcome(script(`look() { ${facts}; }; look 1; echo; look $$`));
    const [first, own] = stdout.split('\n\n');
    expect(own?.trim()).toBe(first?.trim());
    expect(first).toMatch(/^CapEff/m);
    expect((await outcome(script('ls /proc/$$/fd; true'))).stdout.split(/\s+/).filter(Boolean)).toEqual([
      '0',
      '1',
      '2',
    ]);
  });

  it('takes environment, folder and user from the container unless it is told others', async () => {
    const show = 'echo $COLOUR $SHAPE $SIZE; pwd; id -u; id -g';
    expect((await outcome(script(show))).stdout).toBe('red round\n/tmp\n0\n0\n');
    const other = { ...script(show), env: { COLOUR: 'blue', SIZE: 'big' }, workingDir: '/etc', user: '12:34' };
    expect((await outcome(other)).stdout).toBe('blue round big\n/etc\n12\n34\n');
    await expect(outcome({ ...script(show), user: 'nobody-of-that-name' })).rejects.toMatchObject({ code: 'REFUSED' });
  });

  it('has as another user the privileges that he would have as the first process', async () => {
    const { containerizer, image } = host;
    const facts = ['/bin/grep', '-E', '^Cap', '/proc/self/status'];
    const expected = await Promise.all(
      ['0', '1000'].map(async (user) => (await host.run({ image, user, command: facts })).stdout),
    );
    expect(expected[0]).not.toBe(expected[1]);
    for (const user of ['0', '1000']) {
      const { id } = await containerizer.launch({ image, user, command: ['/bin/sleep', '1000'] });
      for (const [index, other] of ['0', '1000'].entries()) {
        await using entered = await containerizer.exec(id, { command: facts, user: other });
        expect(await text(entered.stdout)).toBe(expected[index]);
      }
      await containerizer.destroy(id);
    }
  });

  it('knows the users of its own image when the reference stands for another', async () => {
    const { containerizer, registry, image } = host;
    const moving = `${registry.address}/moving:1`;
    const { id } = await containerizer.launch({ image, command: ['/bin/sleep', '1000'] });
    await containerizer.commit(id, { as: moving });
    const { id: moved } = await containerizer.launch({ image: moving, command: ['/bin/sleep', '1000'] });
    await containerizer.commit(id, { as: moving, config: { env: ['OTHER=1'] } });
    await using entered = await containerizer.exec(moved, { command: ['/bin/id', '-un'], user: 'root' });
    expect(await text(entered.stdout)).toBe('root\n');
    for (const each of [moved, id]) await containerizer.destroy(each);
  });

  it('can be signalled, and ends when it is disposed', async () => {
    const trapped = await host.containerizer.exec(
      id,
      script('trap "exit 9" TERM; echo ready; while :; do sleep 0.1; done'),
    );
    await said(trapped, 'ready');
    await trapped.signal(15);
    expect(await trapped.exit).toMatchObject({ type: 'exited', code: 9 });
    await trapped.signal(15);

    const disposed = await host.containerizer.exec(id, { command: ['/bin/sleep', '3333'] });
    await disposed[Symbol.asyncDispose]();
    expect(await disposed.exit).toMatchObject({ type: 'signaled', signal: 'SIGKILL' });
    expect((await outcome({ command: ['/bin/ps'] })).stdout).not.toContain('3333');
  });

  it('fails as a launch does if its program or folder cannot be had', async () => {
    await expect(host.containerizer.exec(id, { command: ['no-such-program'] })).rejects.toMatchObject({
      code: 'LAUNCH_FAILED',
      details: { name: 'exec', errno: 'ENOENT', path: 'no-such-program' },
    });
    const nowhere = { command: ['/bin/echo'], workingDir: '/no/such' };
    await expect(host.containerizer.exec(id, nowhere)).rejects.toMatchObject({
      code: 'LAUNCH_FAILED',
      details: { name: 'chdir', errno: 'ENOENT', path: '/no/such' },
    });
    await expect(host.containerizer.exec(id, { command: [] })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    await expect(host.containerizer.exec('nobody', { command: ['true'] })).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });

  it('can change the root, of which an image is made that shows the change', async () => {
    const { containerizer, registry } = host;
    expect((await outcome(script('mkdir /made && echo here >/made/file && rm /bin/true'))).exit).toMatchObject({
      code: 0,
    });
    const as = `${registry.address}/committed:1`;
    const { digest, layers } = await containerizer.commit(id, { as, config: { cmd: ['/bin/cat', '/made/file'] } });
    const { termination, stdout } = await host.run({ image: as });
    expect({ stdout, exit: termination.exit }).toMatchObject({ stdout: 'here\n', exit: { code: 0 } });
    await expect(host.run({ image: as, command: ['/bin/true'] })).rejects.toMatchObject({ code: 'LAUNCH_FAILED' });
    expect((await containerizer.status(id)).image?.digest).not.toBe(digest);
    expect(layers.length).toBeGreaterThan(1);
  });

  it('is held up by output that nobody reads, without holding up another', async () => {
    await using stuck = await host.containerizer.exec(
      id,
      script('dd if=/dev/zero bs=65536 count=64 2>/dev/null; echo done >&2'),
    );
    stuck.stdout.pause();
    expect((await outcome(script('echo free'))).stdout).toBe('free\n');
    let bytes = 0;
    for await (const chunk of stuck.stdout) bytes += (chunk as Uint8Array).length;
    expect(bytes).toBe(64 * 65536);
    expect(await text(stuck.stderr)).toBe('done\n');
  });

  it('can be one of many at once, each with its own exit', async () => {
    const codes = Array.from({ length: 12 }, (_, code) => code);
    const exits = await Promise.all(codes.map(async (code) => (await outcome(script(`exit ${code}`))).exit));
    expect(exits.map((exit) => exit.type === 'exited' && exit.code)).toEqual(codes);
    // As many as the shim has places for, and no more: the place of one that ended is free again.
    for (let turn = 0; turn < 40; turn++) expect((await outcome(script(':'))).exit).toMatchObject({ code: 0 });
  });

  it('gives up when its caller does, and leaves no process', async () => {
    for (let turns = 0; turns < 8; turns++) {
      const abort = new AbortController();
      const started = host.containerizer.exec(id, { command: ['/bin/sleep', '4444'] }, { signal: abort.signal }).then(
        (entered) => entered,
        (error: unknown) => error,
      );
      for (let turn = 0; turn < turns * turns; turn++) await new Promise((resolve) => setImmediate(resolve));
      abort.abort();
      const result = await started;
      if (typeof result === 'object' && result !== null && 'stdin' in result) {
        await (result as EnteredProcess)[Symbol.asyncDispose]();
      } else expect(result).toMatchObject({ code: 'ABORTED' });
    }
    await expect.poll(async () => (await outcome({ command: ['/bin/ps'] })).stdout).not.toContain('4444');
  });

  describe('of another host program', () => {
    it.each([{ tty: false }, { tty: true }])('ends when that is killed, with a terminal: $tty', async ({ tty }) => {
      const path = fileURLToPath(new URL('./executing-program.mjs', import.meta.url));
      const specs = ['exec sleep 6666', 'sleep 7777 & wait'].map((line) => ({ ...script(`echo up; ${line}`), tty }));
      const args = [path, host.root, host.stateRoot, id, ...specs.map((spec) => JSON.stringify(spec))];
      const program = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
      const words: string[] = [];
      for await (const line of createInterface({ input: program.stdout })) if (words.push(line) === specs.length) break;
      const listing = async () => (await outcome({ command: ['/bin/ps', '-o', 'args'] })).stdout;
      // Its words are written before the shell has become, or started, what it says.
      await expect.poll(listing, patiently).toMatch(/^sleep 6666$/m);
      await expect.poll(listing, patiently).toMatch(/^sleep 7777$/m);
      program.kill('SIGKILL');
      await expect.poll(listing, patiently).not.toMatch(/6666|wait$/m);
      if (tty) {
        // Whose session has ended is hung up on.
        await expect.poll(listing, patiently).not.toMatch(/7777/);
        return;
      }
      // What it started itself is the container's by now.
      expect(await listing()).toMatch(/^sleep 7777$/m);
      await outcome(script('kill -9 $(pidof sleep | tr " " "\\n" | grep -vx 1)'));
      await expect.poll(listing, patiently).not.toMatch(/7777/);
    });

    it('is started in a container that was found, and ends with the container', async () => {
      await using other = await createContainerizer({ root: host.root, stateRoot: host.stateRoot });
      await other.recover();
      await using entered = await other.exec(id, { ...script('echo $COLOUR; cat'), user: 'root' });
      await said(entered, 'red');
      const { exit } = await host.containerizer.destroy(id);
      expect(exit).toMatchObject({ type: 'signaled', signal: 'SIGKILL' });
      expect(await entered.exit).toMatchObject({ type: 'signaled', signal: 'SIGKILL' });
      await expect(host.containerizer.exec(id, { command: ['/bin/true'] })).rejects.toMatchObject({
        code: 'WRONG_STATE',
      });
    });
  });
});
