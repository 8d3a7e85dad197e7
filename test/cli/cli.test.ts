import { once } from 'node:events';
import { Readable, Writable } from 'node:stream';
import { runCommand } from '@gantry/cli';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startHost, type TestHost } from '../launch/host.js';
import { bridged, deleteLinks, needs, plugins, portmap, startNetworkHost } from '../network/networks.js';
import { eventually } from '../support/eventually.mjs';
import { requires } from '../support/requires.js';

class Collected extends Writable {
  text = '';
  override _write(chunk: Buffer, _: string, done: () => void): void {
    this.text += chunk.toString();
    this.emit('written');
    done();
  }
}

/** A pipe whose reader has gone after so many pieces. */
class Closing extends Collected {
  constructor(private left: number) {
    super();
  }

  override _write(chunk: Buffer, encoding: string, done: (error?: Error) => void): void {
    const error = Object.assign(new Error('write EPIPE'), { code: 'EPIPE', errno: -32, syscall: 'write' });
    if (this.left-- > 0) super._write(chunk, encoding, done);
    else setImmediate(() => done(error));
  }
}

async function gantry(
  argv: readonly string[],
  signal = new AbortController().signal,
  input: string[] = [],
  stdout = new Collected(),
) {
  const stderr = new Collected();
  const status = await runCommand(argv, { stdin: Readable.from(input), stdout, stderr, interactive: false }, signal);
  return { status, stdout: stdout.text, stderr: stderr.text };
}

describe('the gantry command line', () => {
  it.each([
    [['frobnicate']],
    [['run']],
    [['run', '--memory', 'lots', 'busybox']],
    [['run', '--rm', '--detach', 'busybox']],
    [['run', '--publish', 'http', 'busybox']],
    [['run', '--network', 'a:b:c', 'busybox']],
    [['run', '--add-host', 'here', 'busybox']],
    [['logs', 'x', '--since', 'then']],
    [['logs', 'x', '-n', '-1']],
  ])('refuses %j with status 2', async (argv) => {
    const { status, stderr } = await gantry(argv);
    expect(status).toBe(2);
    expect(stderr).toMatch(/error|unknown|missing|is not a|leave out/);
  });

  it('explains itself', async () => {
    const { status, stdout } = await gantry(['--help']);
    expect(status).toBe(0);
    for (const command of ['pull', 'run', 'attach', 'exec', 'ps', 'pause', 'resume', 'kill', 'logs', 'rm'])
      expect(stdout).toContain(command);
  });
});

requires({ root: true })('the gantry command', () => {
  let host: TestHost;
  let places: string[];
  beforeAll(async () => {
    host = await startHost();
    places = ['--root', host.root, '--state-root', `${host.stateRoot}-cli`];
  });
  afterAll(async () => {
    const { stdout } = await gantry([...places, 'ps', '-aq']);
    const ids = stdout.split('\n').filter(Boolean);
    if (ids.length > 0) await gantry([...places, 'rm', '-f', ...ids]);
    await host[Symbol.asyncDispose]();
  });

  it('pulls an image and prints its digest', async () => {
    const { status, stdout, stderr } = await gantry([...places, 'pull', host.image]);
    expect({ status, stderr }).toEqual({ status: 0, stderr: expect.stringContaining('resolved sha256:') });
    expect(stdout).toMatch(/^sha256:[0-9a-f]{64}\n$/);
  });

  it('runs a container in the foreground with its streams and its exit code', async () => {
    const script = 'echo out; echo err >&2; echo $A; exit 4';
    const { status, stdout, stderr } = await gantry([
      ...places,
      'run',
      '--rm',
      '-e',
      'A=b',
      '--entrypoint',
      '/bin/sh',
      host.image,
      '-c',
      script,
    ]);
    expect({ status, stdout }).toEqual({ status: 4, stdout: 'out\nb\n' });
    expect(stderr).toContain('err\n');
  });

  it('gives a container devices of the host, and refuses what there is not', async () => {
    const run = [...places, 'run', '--rm', '--entrypoint', '/bin/sh'];
    const script = 'head -c 2 /dev/inside | od -An -tx1';
    const given = await gantry([...run, '--device', '/dev/zero:/dev/inside:r', host.image, '-c', script]);
    expect(given).toMatchObject({ status: 0, stdout: ' 00 00\n' });
    for (const [option, value, message] of [
      ['--device', 'vendor.com/class=none', /vendor\.com\/class=none/],
      ['--gpus', '1024', /gpu\/nvidia: .*1024 are asked for/],
      ['--gpus', 'device=none', /there is no GPU none/],
    ] as const) {
      const { status, stderr } = await gantry([...run, option, value, host.image, '-c', 'true']);
      expect([status, stderr]).toEqual([125, expect.stringMatching(message)]);
    }
    const wrong = await gantry([...run, '--device', 'zero', host.image]);
    expect(wrong).toMatchObject({ status: 2, stderr: expect.stringContaining("'zero' is not a device") });
  });

  it('runs one in the background, lists it, signals it, shows its log and forgets it', async () => {
    const run = ['run', '-d', '--id', 'background', '--entrypoint', '/bin/sh', host.image, '-c'];
    const started = await gantry([...places, ...run, 'echo up; trap "exit 6" USR1; while :; do sleep 0.1; done']);
    expect(started).toMatchObject({ status: 0, stdout: 'background\n' });
    expect((await gantry([...places, 'ps'])).stdout).toMatch(/^ID .*\nbackground .* RUNNING /);
    const log = new AbortController();
    const following = gantry([...places, 'logs', '-f', 'background'], log.signal);
    await gantry([...places, 'kill', '-s', 'USR1', 'background']);
    expect(await following).toMatchObject({ status: 0, stdout: 'up\n' });
    const logs = ['logs', 'background'];
    expect(await gantry([...places, ...logs, '--since', '1h', '--tail', '1'])).toMatchObject({ stdout: 'up\n' });
    expect(await gantry([...places, ...logs, '--tail', '0'])).toMatchObject({ status: 0, stdout: '' });
    expect(await gantry([...places, ...logs, '--since', '2999-01-01'])).toMatchObject({ status: 0, stdout: '' });
    expect((await gantry([...places, 'ps', '-a'])).stdout).toMatch(/background .* exited 6 /);
    const removed = await gantry([...places, 'rm', 'nobody', 'background']);
    expect(removed).toEqual({
      status: 125,
      stdout: 'background\n',
      stderr: 'gantry: there is no container nobody [NOT_FOUND]\n',
    });
    expect((await gantry([...places, 'logs', 'background'])).status).toBe(125);
  });

  it('runs a program in a running container, with its input, its streams and its exit code', async () => {
    const run = ['run', '-d', '--id', 'host', '-e', 'A=b', '--entrypoint', '/bin/sleep', host.image, '1000'];
    expect((await gantry([...places, ...run])).status).toBe(0);
    const script = 'cat; echo $A $C; pwd; echo err >&2; exit 5';
    const exec = ['exec', '-i', '-e', 'C=d', '-w', '/tmp', 'host', '/bin/sh', '-c', script];
    expect(await gantry([...places, ...exec], undefined, ['typed\n'])).toEqual({
      status: 5,
      stdout: 'typed\nb d\n/tmp\n',
      stderr: 'err\n',
    });
    const absent = await gantry([...places, 'exec', 'host', 'no-such-program']);
    expect(absent).toMatchObject({ status: 125, stderr: expect.stringContaining('LAUNCH_FAILED') });
    const interrupt = new AbortController();
    const stdout = new Collected();
    const said = once(stdout, 'written');
    const asleep = ['exec', 'host', '/bin/sh', '-c', 'echo asleep; exec sleep 5555'];
    const sleeping = gantry([...places, ...asleep], interrupt.signal, [], stdout);
    await said;
    interrupt.abort();
    expect((await sleeping).status).toBe(137);
    expect((await gantry([...places, 'exec', 'host', '/bin/ps'])).stdout).not.toContain('5555');
    expect(await gantry([...places, ...asleep], AbortSignal.abort())).toEqual({ status: 130, stdout: '', stderr: '' });
    expect((await gantry([...places, 'kill', 'host'])).status).toBe(0);
  });

  it('stops its container when it is interrupted', async () => {
    const interrupt = new AbortController();
    const run = ['run', '--id', 'interrupted', '--entrypoint', '/bin/sh', host.image, '-c'];
    const running = gantry([...places, ...run, 'trap "exit 8" TERM; while :; do sleep 0.1; done'], interrupt.signal);
    while (!(await gantry([...places, 'ps'])).stdout.includes('interrupted'));
    interrupt.abort();
    expect((await running).status).toBe(8);
  });

  it('stops its container when nobody reads its output any more', async () => {
    const never = new AbortController().signal;
    const talks = 'trap "exit 8" TERM; while :; do echo on; sleep 0.05; done';
    const run = ['run', '--id', 'unheard', '--entrypoint', '/bin/sh', host.image, '-c', talks];
    expect(await gantry([...places, ...run], never, [], new Closing(2))).toMatchObject({
      status: 141,
      stdout: 'on\non\n',
    });
    expect((await gantry([...places, 'ps', '-a'])).stdout).toMatch(/unheard .* exited 8 /);
    for (const logs of [['logs'], ['logs', '-f'], ['logs', '-t']]) {
      const { status, stderr } = await gantry([...places, ...logs, 'unheard'], never, [], new Closing(1));
      expect({ status, stderr }).toEqual({ status: 141, stderr: '' });
    }
  });

  it('takes from a log no more than its reader does', async () => {
    const run = [
      'run',
      '--id',
      'long',
      '--entrypoint',
      '/bin/sh',
      host.image,
      '-c',
      'dd if=/dev/zero bs=1000 count=200 2>/dev/null',
    ];
    await gantry([...places, ...run]);
    const waits = new Writable({ highWaterMark: 1000, write: () => undefined });
    const abort = new AbortController();
    const reading = runCommand(
      [...places, 'logs', 'long'],
      { stdin: Readable.from([]), stdout: waits, stderr: waits, interactive: false },
      abort.signal,
    );
    await eventually(
      async () => waits.writableLength,
      (length) => length > 0,
    );
    // Time for as much again, if it did not wait.
    for (let turn = 0; turn < 100; turn++) await new Promise((resolve) => setImmediate(resolve));
    expect(waits.writableLength).toBeLessThan(100_000);
    waits.destroy(new Error('as asked'));
    expect(await reading).toBe(125);
  });

  it('gives a container what is typed, with or without a terminal, and its streams', async () => {
    const run = (...options: string[]) => [...places, 'run', '--rm', ...options, host.image];
    const never = new AbortController().signal;
    const script = ['sh', '-c', 'read line; echo "length $(expr length $line)"; echo oops >&2; exit 4'];
    const plain = await gantry([...run('-i'), ...script], never, ['hello\n']);
    expect(plain).toEqual({ status: 4, stdout: 'length 5\n', stderr: 'oops\n' });
    const terminal = await gantry([...run('-it', '--init'), ...script], never, ['hello\n']);
    expect(terminal.status).toBe(4);
    // The terminal's echo comes before or after what the program writes.
    expect(terminal.stdout.replace('hello\r\n', '')).toBe('length 5\r\noops\r\n');
    expect(terminal.stderr).toBe('');
  });

  it('leaves a terminal by ^P ^Q, attaches to it again, and pauses', async () => {
    const never = new AbortController().signal;
    const left = await gantry([...places, 'run', '-it', '--id', 'left', host.image, 'sh'], never, [
      'x=kept\n',
      '\x10\x11',
    ]);
    expect(left.status).toBe(0);
    expect(await gantry([...places, 'pause', 'left'])).toEqual({ status: 0, stdout: 'left\n', stderr: '' });
    expect((await gantry([...places, 'ps'])).stdout).toMatch(/left.*PAUSED/i);
    expect((await gantry([...places, 'resume', 'left'])).stdout).toBe('left\n');
    const again = await gantry([...places, 'attach', '-it', 'left'], never, ['echo "is $x"; exit 6\n']);
    expect(again.status).toBe(6);
    expect(again.stdout).toContain('is kept\r\n');
  });
});

requires(needs)('the gantry command, on networks', () => {
  it('runs a container on one, with ports of the host, and shows both', async () => {
    await using net = await startNetworkHost({ '10-cli.conflist': bridged('cli', 'gcli0', 97, portmap) });
    const { root, stateRoot, image } = net.host;
    const places = ['--root', root, '--state-root', `${stateRoot}-cli`];
    const cni = ['--cni-config', net.configFolder, '--cni-plugins', plugins];
    const name = ['--id', 'web', '--hostname', 'web', '--add-host', 'db:192.0.2.7', '--dns', '192.0.2.53'];
    const asks = ['-p', '28080:80', '-p', '127.0.0.1:25353:53/udp', '--network', 'cli:front0'];
    const script = 'cat /etc/hosts /etc/resolv.conf; while :; do sleep 1; done';
    const run = ['run', '-d', ...name, ...asks, '--entrypoint', '/bin/sh', image, '-c', script];
    expect(await gantry([...places, ...cni, ...run])).toMatchObject({ status: 0, stdout: 'web\n' });
    const { stdout } = await gantry([...places, ...cni, 'ps']);
    expect(stdout).toMatch(/10\.97\.0\.2\/16 fd00:97::2\/64 +28080->80\/tcp 127\.0\.0\.1:25353->53\/udp/);
    const log = await eventually(
      async () => (await gantry([...places, ...cni, 'logs', 'web'])).stdout,
      (text) => text.includes('nameserver'),
    );
    expect(log).toContain('192.0.2.7\tdb\nnameserver 192.0.2.53\n');
    expect(await gantry([...places, ...cni, 'rm', '-f', 'web'])).toMatchObject({ status: 0 });
    deleteLinks('gcli0');
  });
});
