import { readdirSync, readlinkSync } from 'node:fs';
import { text } from 'node:stream/consumers';
import type { Attachment, ContainerId, LogFormat, LogPosition } from '@gantry/interface';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { requires } from '../support/requires.js';
import { startHost, type TestHost } from './host.js';

/** Writes as many numbered lines as it is told to, again and again. */
const writer =
  'n=0; while read count; do i=0; while [ $i -lt $count ]; do echo line $n; n=$((n+1)); i=$((i+1)); done; done';

/** In a file of any format are at least 70 lines of the first thousand, at most 700; three files are kept besides the one that is written. */
const log = { maxBytes: 8192, maxFiles: 4 } as const;
const atLeastKept = 210;
/** So many lines that all of those before them are rotated away. */
const toRotateAll = 2800;

const numbers = (words: string) => [...words.matchAll(/^line (\d+)\n/gm)].map(([, number]) => Number(number));

/** That lines follow each other without one that is missing or comes twice; gives the first and how many there are. */
function contiguous(words: string): { readonly first: number | undefined; readonly count: number } {
  const all = numbers(words);
  const [first = 0] = all;
  for (const [index, number] of all.entries()) if (number !== first + index) expect(number).toBe(first + index);
  return { first: all[0], count: all.length };
}

const lastOf = (words: string) => numbers(words.slice(words.lastIndexOf('line '))).at(-1) ?? -1;

/** A container that writes, not further ahead of those who read than what is kept. */
class Writer {
  readonly #seen = new Map<unknown, number>();
  /** How many lines it was told to write. */
  asked = 0;

  constructor(
    readonly id: ContainerId,
    readonly input: Attachment,
    readonly lines: number,
  ) {
    input.stdout.resume();
  }

  start(): void {
    this.write(atLeastKept / 3);
  }

  write(lines: number): void {
    const count = Math.min(lines, this.lines - this.asked);
    if (count <= 0) return;
    this.asked += count;
    this.input.stdin?.write(`${count}\n`);
  }

  /** A reader, whoever that is, has seen this line. */
  pace(reader: unknown, line: number): void {
    this.#seen.set(reader, line);
    if (Math.min(...this.#seen.values()) + atLeastKept / 3 > this.asked) this.write(atLeastKept / 3);
  }

  /** Nothing more is written. */
  end(): void {
    this.input.stdin?.end();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.input[Symbol.asyncDispose]();
  }
}

/** Reads all of a client's output, as one that the writer waits for. */
async function read({ stdout }: Attachment, writer: Writer, client: unknown): Promise<string> {
  let words = '';
  for await (const chunk of stdout) {
    words += String(chunk);
    const line = lastOf(words.slice(0, words.lastIndexOf('\n') + 1));
    if (line >= 0) writer.pace(client, line);
  }
  return words;
}

/** All of a stream, and the error it ended with. */
async function drain({ stdout }: Attachment): Promise<{ words: string; error?: unknown }> {
  let words = '';
  try {
    for await (const chunk of stdout) words += String(chunk);
    return { words };
  } catch (error) {
    return { words, error };
  }
}

requires({ root: true })('a log that is rotated while it is read', () => {
  let host: TestHost;
  beforeAll(async () => {
    host = await startHost();
  });
  afterAll(() => host[Symbol.asyncDispose]());

  /** A container that is to write so many lines. */
  async function launchWriter(lines: number, format: LogFormat = 'cri') {
    const command = ['/bin/sh', '-c', writer];
    const spec = { image: host.image, command, stdin: true, log: { ...log, format } };
    const { id } = await host.containerizer.launch(spec);
    const input = await host.containerizer.attach(id, { stdin: true });
    return new Writer(id, input, lines);
  }

  /** Reads all entries as they come; the writer waits for what is done at a line. */
  async function follow(
    writer: Writer,
    onLine: (number: number, position: LogPosition) => void | Promise<void>,
  ): Promise<void> {
    const options = { follow: true, stream: 'stdout' } as const;
    let words = '';
    writer.start();
    for await (const { data, position } of host.containerizer.logs(writer.id, options)) {
      words += String(Buffer.from(data));
      // Of the plain format a line may come in pieces.
      if (!words.endsWith('\n')) continue;
      const number = lastOf(words);
      await onLine(number, position);
      if (number + 1 === writer.lines) break;
      writer.pace(follow, number);
    }
    expect(contiguous(words)).toEqual({ first: 0, count: writer.lines });
  }

  it.each(['cri', 'json', 'plain'] as const)(
    'of the format %s gives each client every line behind its position, and none twice',
    async (format) => {
      const { containerizer } = host;
      await using writer = await launchWriter(3000, format);
      const { id, lines } = writer;
      const clients: Promise<{ from: number; words: string }>[] = [];
      await follow(writer, (number, position) => {
        if (number % 100 !== 50) return;
        const client = {};
        writer.pace(client, number);
        const attach = async () => {
          await using attachment = await containerizer.attach(id, { from: { position } });
          return { from: number + 1, words: await read(attachment, writer, client) };
        };
        clients.push(attach());
      });
      writer.end();
      const all = await Promise.all(clients);
      expect(all.length).toBe(30);
      for (const { from, words } of all) expect(contiguous(words)).toEqual({ first: from, count: lines - from });
      const files = readdirSync(`${host.stateRoot}/containers/${id}`).filter((name) => /^(log|stdout)/.test(name));
      expect(files.length).toBe(log.maxFiles);
      await containerizer.destroy(id);
    },
  );

  it('gives clients that attach now all that comes from then on, at whatever moment that is', async () => {
    const { containerizer } = host;
    await using writer = await launchWriter(3000);
    const { id, lines } = writer;
    const clients: Promise<string>[] = [];
    await follow(writer, (number) => {
      if (number % 70 !== 35) return;
      const client = {};
      writer.pace(client, number);
      const attach = async () => {
        await using attachment = await containerizer.attach(id);
        // It need not be shown what was written before.
        writer.pace(client, writer.asked);
        return await read(attachment, writer, client);
      };
      clients.push(attach());
    });
    writer.end();
    for (const words of await Promise.all(clients)) {
      const { first = lines, count } = contiguous(words);
      expect(first + count).toBe(lines);
    }
    await containerizer.destroy(id);
  });

  it('is told to a client that is too slow, who lost nothing of what it got, and to no other', async () => {
    const { containerizer } = host;
    await using writer = await launchWriter(toRotateAll);
    const { id, lines } = writer;
    // One that was attached before anything was written, one at the start, one in the midst; none of them reads.
    const slow = [await containerizer.attach(id), await containerizer.attach(id, { from: 'start' })];
    await follow(writer, async (number, position) => {
      if (number === 500) slow.push(await containerizer.attach(id, { from: { position } }));
    });
    const firsts: (number | undefined)[] = [];
    for (const attachment of slow) {
      const { words, error } = await drain(attachment);
      expect(error).toMatchObject({ code: 'LIMIT_EXCEEDED' });
      const { first, count } = contiguous(words);
      firsts.push(first);
      expect(count).toBeGreaterThan(0);
      expect((first ?? 0) + count).toBeLessThan(lines);
      await attachment[Symbol.asyncDispose]();
    }
    expect(firsts).toEqual([0, 0, 501]);
    writer.end();
    await containerizer.wait(id);
    await containerizer.destroy(id);
  });

  it('has no place any more that was rotated away, and says so', async () => {
    const { containerizer } = host;
    await using writer = await launchWriter(toRotateAll);
    const { id } = writer;
    let early: LogPosition = '';
    await follow(writer, (number, position) => {
      if (number === 10) early = position;
    });
    const gone = { code: 'NOT_FOUND', message: expect.stringContaining('begin with its oldest entry') as string };
    await expect(containerizer.attach(id, { from: { position: early } })).rejects.toMatchObject(gone);
    const reading = (async () => {
      for await (const _ of containerizer.logs(id, { from: early })) break;
    })();
    await expect(reading).rejects.toMatchObject(gone);
    await expect(containerizer.attach(id, { from: { position: 'nowhere' } })).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
    });
    // The oldest entry is the remedy.
    await using again = await containerizer.attach(id, { from: 'start' });
    writer.end();
    const { first = 0, count } = contiguous(await text(again.stdout));
    expect(first).toBeGreaterThan(10);
    expect(first + count).toBe(toRotateAll);
    await containerizer.destroy(id);
  });

  it('is held open by no client once the container has ended, and can still be read', async () => {
    const { containerizer } = host;
    const held = () => {
      const targets = readdirSync('/proc/self/fd').map((fd) => {
        try {
          return readlinkSync(`/proc/self/fd/${fd}`);
        } catch {
          return ''; // That of this very listing.
        }
      });
      return targets.filter((target) => target.startsWith(host.stateRoot)).length;
    };
    const before = held();
    await using writer = await launchWriter(5);
    const { id } = writer;
    const unread = await containerizer.attach(id, { from: 'start' });
    expect(held()).toBeGreaterThan(before);
    writer.start();
    writer.end();
    await containerizer.wait(id);
    await expect.poll(held, { timeout: 20_000 }).toBe(before);
    expect(contiguous(await text(unread.stdout))).toEqual({ first: 0, count: 5 });
    await unread[Symbol.asyncDispose]();
  });
});
