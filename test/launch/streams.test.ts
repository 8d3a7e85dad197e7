import { createHash, randomBytes } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { buffer, text } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';
import type { Attachment, ContainerSpec, LogFormat } from '@gantry/interface';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { requires } from '../support/requires.js';
import { outputMatching, startHost, type TestHost } from './host.js';

const sh = (script: string) => ({ command: ['/bin/sh', '-c', script] });

/** Reads until what came matches, and gives all of it; the stream goes on. */
async function until({ stdout }: Attachment, pattern: RegExp): Promise<string> {
  let seen = '';
  while (!pattern.test(seen)) {
    const piece = stdout.read() as Buffer | null;
    if (piece) seen += piece.toString();
    else if (stdout.readableEnded || stdout.destroyed) throw new Error(`ended after ${JSON.stringify(seen)}`);
    else await delay(2);
  }
  return seen;
}

requires({ root: true })('the streams of a container', () => {
  let host: TestHost;
  const launch = async (spec: Partial<ContainerSpec>) => {
    const { id } = await host.containerizer.launch({ image: host.image, ...spec });
    return id;
  };
  beforeAll(async () => {
    host = await startHost();
  });
  afterAll(() => host[Symbol.asyncDispose]());

  it('are stdin with its end, and stdout and stderr apart', async () => {
    const id = await launch({ ...sh('echo to you >&2; cat; echo over'), stdin: true });
    const attachment = await host.containerizer.attach(id, { stdin: true, from: 'start' });
    attachment.stdin?.end('from me\n');
    const [out, err] = await Promise.all([text(attachment.stdout), text(attachment.stderr)]);
    expect([out, err]).toEqual(['from me\nover\n', 'to you\n']);
    expect((await host.containerizer.wait(id)).exit).toMatchObject({ code: 0 });
    await attachment[Symbol.asyncDispose]();
  });

  it('take all that several write, and stay open when they detach', async () => {
    const id = await launch({ ...sh('sort; echo over'), stdin: true });
    const first = await host.containerizer.attach(id, { stdin: true });
    const others = await Promise.all([1, 2].map(() => host.containerizer.attach(id, { stdin: true })));
    const clients = [first, ...others];
    for (const [index, client] of clients.entries()) {
      await new Promise((done) => client.stdin?.write(`line ${index}\n`, done));
    }
    // Each has been read before its client goes: the program takes them as they come.
    await host.containerizer.exec(id, { command: ['/bin/true'] }).then((entered) => entered.exit);
    for (const client of others) await client[Symbol.asyncDispose]();
    const output = text(first.stdout);
    first.stdin?.end();
    expect(await output).toBe('line 0\nline 1\nline 2\nover\n');
    await first[Symbol.asyncDispose]();
  });

  it('are carried byte for byte however large, while one client does not read', async () => {
    const id = await launch({ ...sh('cat'), stdin: true, log: { maxBytes: 2 ** 22, maxFiles: 100 } });
    const sent = randomBytes(40 * 2 ** 20);
    const idle = await host.containerizer.attach(id, { from: 'start' });
    const reader = await host.containerizer.attach(id, { from: 'start', stdin: true });
    const received = buffer(reader.stdout);
    reader.stdin?.end(sent);
    const digest = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');
    expect(digest(await received)).toBe(digest(sent));
    expect(idle.stdout.readableLength).toBeLessThan(2 ** 20);
    expect(digest(await buffer(idle.stdout))).toBe(digest(sent));
    await Promise.all([idle[Symbol.asyncDispose](), reader[Symbol.asyncDispose]()]);
  });

  it('lose and double nothing between what was written before and after one attaches', async () => {
    const count = 30_000;
    const write = `i=0; while [ $i -lt ${count} ]; do echo $i; i=$((i+1)); done; read end`;
    const id = await launch({ ...sh(write), stdin: true });
    const clients: Promise<string>[] = [];
    for (let client = 0; client < 5; client++) {
      const attachment = await host.containerizer.attach(id, { from: 'start' });
      clients.push(text(attachment.stdout));
      await delay(5 * client);
    }
    await using last = await host.containerizer.attach(id, { stdin: true });
    last.stdin?.end('\n');
    const whole = Array.from({ length: count }, (_, line) => `${line}\n`).join('');
    for (const seen of await Promise.all(clients)) expect(seen === whole).toBe(true);
    await host.containerizer.wait(id);
  });

  it('go on at a position, and begin now unless asked for more', async () => {
    const id = await launch({ ...sh('echo one; echo two; read line; echo three'), stdin: true });
    await outputMatching(host.containerizer, id, /two/);
    const positions: string[] = [];
    for await (const { position } of host.containerizer.logs(id)) positions.push(position);
    const behindOne = await host.containerizer.attach(id, { from: { position: positions[0] ?? '' } });
    const now = await host.containerizer.attach(id, { stdin: true });
    now.stdin?.end('go\n');
    expect(await text(behindOne.stdout)).toBe('two\nthree\n');
    expect(await text(now.stdout)).toBe('three\n');
    await expect(
      host.containerizer.attach(id, { from: { position: 'log:1-1:0' } }).then(({ stdout }) => text(stdout)),
    ).rejects.toMatchObject({ code: expect.stringMatching(/NOT_FOUND|WRONG_STATE/) as string });
    await Promise.all([behindOne[Symbol.asyncDispose](), now[Symbol.asyncDispose]()]);
  });

  it('have no input unless it was asked for', async () => {
    const id = await launch(sh('cat; sleep 60'));
    await expect(host.containerizer.attach(id, { stdin: true })).rejects.toMatchObject({ code: 'WRONG_STATE' });
    const attachment = await host.containerizer.attach(id);
    await expect(attachment.resize({ columns: 1, rows: 1 })).rejects.toMatchObject({ code: 'WRONG_STATE' });
    await attachment[Symbol.asyncDispose]();
    await host.containerizer.destroy(id);
  });

  it.each(['cri', 'json', 'plain'] as const)(
    'are logged in the format %s, and read back as they were',
    async (format: LogFormat) => {
      const sent = Buffer.concat([
        Buffer.from('text "\\\t\u0001\u00e9\u20ac\u{1f600}\r\n\n'),
        // No characters: a continuation alone, one too long, a surrogate, one beyond the last, and one that is cut.
        ...[[0x80], [0xc0, 0xaf], [0xed, 0xa0, 0x80], [0xf4, 0x90, 0x80, 0x80], [0xe2, 0x82]].map((bytes) =>
          Buffer.from([...bytes, 0x0a]),
        ),
        Buffer.from(`${'\u20ac'.repeat(30_000)}\n`),
        randomBytes(100_000),
        Buffer.from('no line end'),
      ]);
      const id = await launch({
        ...sh('cat; echo error >&2'),
        stdin: true,
        log: { format, maxBytes: 64 * 1024, maxFiles: 20 },
      });
      const attachment = await host.containerizer.attach(id, { stdin: true });
      attachment.stdin?.end(sent);
      await host.containerizer.wait(id);
      await attachment[Symbol.asyncDispose]();
      const written = { stdout: [] as Uint8Array[], stderr: [] as Uint8Array[] };
      for await (const { stream, data } of host.containerizer.logs(id)) written[stream].push(data);
      expect(Buffer.concat(written.stdout).equals(sent)).toBe(true);
      expect(Buffer.concat(written.stderr).toString()).toBe('error\n');
      const files = readdirSync(join(host.stateRoot, 'containers', id));
      expect(files.includes(format === 'plain' ? 'stdout.1' : 'log.1')).toBe(true);
    },
  );
});

requires({ root: true })('a container with a terminal', () => {
  let host: TestHost;
  beforeAll(async () => {
    host = await startHost();
  });
  afterAll(() => host[Symbol.asyncDispose]());

  async function shell(): Promise<{ id: string; attachment: Attachment }> {
    const { containerizer, image } = host;
    const { id } = await containerizer.launch({ image, command: ['/bin/sh'], tty: { columns: 101, rows: 37 } });
    return { id, attachment: await containerizer.attach(id, { stdin: true, from: 'start' }) };
  }

  it('has its size, its name, and a controlling one', async () => {
    const { id, attachment } = await shell();
    attachment.stdin?.write('stty size; tty; ls -l /dev/console | cut -c1; exit 4\n');
    const seen = await text(attachment.stdout);
    expect(seen).toContain('37 101\r\n');
    expect(seen).toContain('/dev/pts/0\r\n');
    expect(seen).toContain('\r\nc\r\n');
    expect((await host.containerizer.wait(id)).exit).toMatchObject({ type: 'exited', code: 4 });
    await attachment[Symbol.asyncDispose]();
  });

  it('is told of a new size, and ^C reaches what runs in front', async () => {
    const { id, attachment } = await shell();
    const inFront = `sh -c 'trap "stty size" WINCH; echo re""ady; while :; do sleep 0.05; done'`;
    attachment.stdin?.write(`${inFront}\n`);
    await until(attachment, /ready\r\n/);
    await attachment.resize({ columns: 77, rows: 11 });
    await until(attachment, /11 77\r\n/);
    attachment.stdin?.write('\x03');
    attachment.stdin?.write('echo sta""tus $?\n');
    await until(attachment, /status 130\r\n/);
    attachment.stdin?.end();
    expect((await host.containerizer.wait(id)).exit).toMatchObject({ type: 'exited' });
    await attachment[Symbol.asyncDispose]();
  });

  it('can be left and attached again', async () => {
    const { id, attachment } = await shell();
    attachment.stdin?.write('here=kept; echo fir""st\n');
    await until(attachment, /first\r\n/);
    await attachment[Symbol.asyncDispose]();
    await using again = await host.containerizer.attach(id, { stdin: true });
    again.stdin?.write('echo $here; exit\n');
    expect(await text(again.stdout)).toContain('kept\r\n');
    await host.containerizer.wait(id);
  });

  it('may give one to a process beside the first, with all it writes and its exit code', async () => {
    const { containerizer, image } = host;
    const { id } = await containerizer.launch({ image, ...sh('sleep 1000') });
    const script = 'tty; stty size; read line; echo got $line; head -c 300000 /dev/zero | tr "\\0" x; exit 6';
    await using entered = await containerizer.exec(id, { ...sh(script), tty: { columns: 50, rows: 20 } });
    entered.stdin.write('typed\n');
    const [out, err, exit] = await Promise.all([text(entered.stdout), text(entered.stderr), entered.exit]);
    // The terminal echoes what is typed, whenever that comes.
    expect(out.replace('typed\r\n', '')).toBe(`/dev/pts/0\r\n20 50\r\ngot typed\r\n${'x'.repeat(300_000)}`);
    expect(err).toBe('');
    expect(exit).toMatchObject({ type: 'exited', code: 6 });
    await using sized = await containerizer.exec(id, {
      ...sh('trap "stty size; exit" WINCH; echo go; while :; do sleep 0.05; done'),
      tty: true,
    });
    sized.stdout.once('data', () => void sized.resize({ columns: 66, rows: 33 }));
    expect(await text(sized.stdout)).toContain('33 66\r\n');
    await containerizer.destroy(id);
  });

  it('has an init that leaves the terminal to the program', async () => {
    const { containerizer, image } = host;
    const { id } = await containerizer.launch({ image, command: ['/bin/sh'], tty: true, init: true });
    await using attachment = await containerizer.attach(id, { stdin: true, from: 'start' });
    attachment.stdin?.write('sleep 1000\n');
    await eventuallyRuns(host, id, 'sleep 1000');
    attachment.stdin?.write('\x03');
    attachment.stdin?.write('exit 3\n');
    expect((await containerizer.wait(id)).exit).toMatchObject({ type: 'exited', code: 3 });
  });
});

/** Resolves once the container has a process with these arguments. */
async function eventuallyRuns({ containerizer }: TestHost, id: string, args: string): Promise<void> {
  for (;;) {
    await using entered = await containerizer.exec(id, sh('cat /proc/[0-9]*/cmdline 2>/dev/null | tr "\\0" " "'));
    if ((await text(entered.stdout)).includes(`${args} `)) return;
  }
}
