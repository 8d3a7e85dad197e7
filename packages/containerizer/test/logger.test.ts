import {
  type ContainerizerEvents,
  type ContainerState,
  type ContainerStatus,
  GantryError,
  type LogEntry,
  raceAbort,
} from '@gantry/interface';
import { EventEmitter } from 'eventemitter3';
import { describe, expect, it } from 'vitest';
import { attachLogger, type ContainerLogger, type LogSource } from '../src/logger.js';

interface Written {
  readonly createdAt: number;
  state: ContainerState;
  /** What was written; positions are counts. */
  readonly lines: string[];
  /** So many of them are rotated away. */
  gone: number;
}

/** Containers that write what a test has them write. */
class Writers implements LogSource {
  readonly all = new Map<string, Written>();
  readonly emitter = new EventEmitter<ContainerizerEvents>();
  readonly #changes = new EventEmitter<{ change: [] }>();
  #created = 0;

  launch(id: string, ...lines: string[]): void {
    this.all.set(id, { createdAt: ++this.#created, state: 'RUNNING', lines, gone: 0 });
    this.emitter.emit('state', { id, from: 'ISOLATING', to: 'RUNNING' });
  }

  write(id: string, ...lines: string[]): void {
    this.#get(id).lines.push(...lines);
    this.#changes.emit('change');
  }

  end(id: string): void {
    this.#get(id).state = 'DESTROYED';
    this.emitter.emit('state', { id, from: 'DESTROYING', to: 'DESTROYED' });
    this.#changes.emit('change');
  }

  on: LogSource['on'] = (event, listener) => {
    this.emitter.on(event, listener as never);
    return this as never;
  };

  off: LogSource['off'] = (event, listener) => {
    this.emitter.off(event, listener as never);
    return this as never;
  };

  status: LogSource['status'] = async (id) => this.#status(id);

  async *containers(): AsyncGenerator<ContainerStatus, void, undefined> {
    for (const id of this.all.keys()) yield this.#status(id);
  }

  async *logs(
    id: string,
    { from = '0', signal }: { from?: string; signal?: AbortSignal } = {},
  ): AsyncGenerator<LogEntry, void, undefined> {
    const written = this.#get(id);
    if (from !== '0' && Number(from) < written.gone) throw new GantryError('NOT_FOUND', `${from} was rotated away`);
    for (let next = Math.max(Number(from), written.gone); ; next++) {
      while (next >= written.lines.length) {
        if (written.state === 'DESTROYED') return;
        await raceAbort(new Promise<void>((resolve) => this.#changes.once('change', resolve)), signal, 'following');
      }
      const data = Buffer.from(written.lines[next] ?? '');
      yield { at: 0, stream: 'stdout', data, position: String(next + 1) };
    }
  }

  #status(id: string): ContainerStatus {
    const { createdAt, state } = this.#get(id);
    return { id, state, createdAt, labels: { of: id }, stopSignal: 'SIGTERM', timings: {}, failedSteps: [] };
  }

  #get(id: string): Written {
    const written = this.all.get(id);
    if (!written) throw new GantryError('NOT_FOUND', `there is no container ${id}`);
    return written;
  }
}

/** Keeps what it is given, and where it was. */
class Keeper implements ContainerLogger {
  readonly kept: string[] = [];
  readonly positions = new Map<string, string>();
  /** Called before an entry is kept. */
  before: (line: string) => Promise<void> | void = () => undefined;

  async position({ id, createdAt }: { id: string; createdAt: number }): Promise<string | undefined> {
    return this.positions.get(`${id}@${createdAt}`);
  }

  async follow(
    { id, createdAt, labels }: { id: string; createdAt: number; labels: Readonly<Record<string, string>> },
    entries: AsyncIterable<LogEntry>,
  ): Promise<void> {
    for await (const { data, position } of entries) {
      const line = `${labels['of']}: ${Buffer.from(data)}`;
      await this.before(line);
      this.kept.push(line);
      this.positions.set(`${id}@${createdAt}`, position);
    }
    this.kept.push(`${id} ended`);
  }
}

describe('a logger', () => {
  it('is given what was written before, and what comes, of every container, to its end', async () => {
    const [writers, keeper, errors] = [new Writers(), new Keeper(), [] as GantryError[]];
    writers.launch('a', '1', '2');
    writers.launch('old', 'last words');
    writers.end('old');
    await using _attached = await attachLogger(writers, keeper, { onError: (error) => errors.push(error) });
    writers.launch('b', '1');
    writers.write('a', '3');
    await expect.poll(() => keeper.kept.length).toBe(6);
    for (const id of ['a', 'b']) writers.end(id);
    await expect.poll(() => keeper.kept.length).toBe(8);
    expect(keeper.kept.filter((line) => line.startsWith('a'))).toEqual(['a: 1', 'a: 2', 'a: 3', 'a ended']);
    expect(keeper.kept.filter((line) => line.startsWith('b'))).toEqual(['b: 1', 'b ended']);
    expect(keeper.kept.filter((line) => line.startsWith('old'))).toEqual(['old: last words', 'old ended']);
    expect(errors).toEqual([]);
  });

  it('goes on where it was after it was detached: nothing is lost or doubled', async () => {
    const [writers, keeper] = [new Writers(), new Keeper()];
    const fail = (error: GantryError) => expect.fail(error.message);
    writers.launch('a', '1');
    const controller = new AbortController();
    const first = await attachLogger(writers, keeper, { onError: fail, signal: controller.signal });
    await expect.poll(() => keeper.kept.length).toBe(1);
    controller.abort();
    await first[Symbol.asyncDispose]();
    expect(writers.emitter.listenerCount('state')).toBe(0);
    writers.write('a', '2', '3');
    writers.end('a');
    writers.launch('b', '1');
    for (let turn = 0; turn < 2; turn++) {
      await using _again = await attachLogger(writers, keeper, { onError: fail });
      await expect.poll(() => keeper.kept.filter((line) => line === 'a ended').length).toBe(turn + 1);
    }
    expect(keeper.kept.filter((line) => line.startsWith('a:'))).toEqual(['a: 1', 'a: 2', 'a: 3']);
    expect(keeper.kept.filter((line) => line.startsWith('b:'))).toEqual(['b: 1']);
  });

  it('that fails, or is slow, disturbs no other container', async () => {
    const [writers, keeper, errors] = [new Writers(), new Keeper(), [] as string[]];
    let release: () => void = () => undefined;
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    keeper.before = (line) => {
      if (line === 'bad: 1') throw new Error('the disk is full');
      return line.startsWith('slow') ? held : undefined;
    };
    {
      await using _attached = await attachLogger(writers, keeper, {
        onError: ({ message }, { id }) => errors.push(`${id}: ${message}`),
      });
      for (const id of ['bad', 'slow', 'good']) writers.launch(id, '1');
      writers.write('good', '2');
      await expect.poll(() => keeper.kept).toEqual(['good: 1', 'good: 2']);
      expect(errors).toEqual(['bad: the logger of container bad: the disk is full']);
      release();
    }
    expect(keeper.kept).toContain('slow: 1');
    expect(errors).toHaveLength(1);
  });

  it('that lost its place is told, and goes on with the oldest there is', async () => {
    const [writers, keeper, errors] = [new Writers(), new Keeper(), [] as string[]];
    writers.launch('a', '1', '2', '3', '4');
    const written = writers.all.get('a');
    if (written) written.gone = 2;
    keeper.positions.set('a@1', '1');
    await using _attached = await attachLogger(writers, keeper, { onError: ({ code }) => errors.push(code) });
    await expect.poll(() => keeper.kept).toEqual(['a: 3', 'a: 4']);
    expect(errors).toEqual(['NOT_FOUND']);
  });

  it('takes a container of an id that was there before for another', async () => {
    const [writers, keeper, errors] = [new Writers(), new Keeper(), [] as string[]];
    let release: () => void = () => undefined;
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    keeper.before = () => held;
    await using _attached = await attachLogger(writers, keeper, { onError: ({ message }) => errors.push(message) });
    writers.launch('a', 'first');
    await new Promise((resolve) => setImmediate(resolve));
    writers.end('a');
    // Both come and one goes while the logger has the first in hand.
    for (const line of ['second', 'third']) writers.launch('a', line);
    release();
    await expect.poll(() => keeper.kept.at(-1)).toBe('a: third');
    expect(keeper.kept).toEqual(['a: first', 'a ended', 'a: third']);
    expect(errors).toEqual(['container a was removed before its log was read']);
  });
});
