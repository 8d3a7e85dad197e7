import { attachLogger, type ContainerLogger, createContainerizer, type LoggedContainer } from '@gantry/containerizer';
import type { GantryError, LogEntry } from '@gantry/interface';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { requires } from '../support/requires.js';
import { startHost, type TestHost } from './host.js';

/** Keeps the lines of each container and the place of the last one, as a sink that outlives the host program does. */
class Sink implements ContainerLogger {
  readonly lines = new Map<string, string[]>();
  readonly positions = new Map<string, string>();
  readonly ended = new Set<string>();
  /** After so many lines of one container it takes no more. */
  most = Number.POSITIVE_INFINITY;

  async position({ id }: LoggedContainer): Promise<string | undefined> {
    return this.positions.get(id);
  }

  async follow({ id }: LoggedContainer, entries: AsyncIterable<LogEntry>): Promise<void> {
    const lines = this.lines.get(id) ?? [];
    this.lines.set(id, lines);
    for await (const { data, position, stream } of entries) {
      lines.push(`${stream}: ${Buffer.from(data)}`);
      this.positions.set(id, position);
      if (lines.length === this.most) return;
    }
    this.ended.add(id);
  }
}

const numbered = (id: string, count: number) => Array.from({ length: count }, (_, i) => `stdout: ${id} ${i}\n`);
const counts = (id: string, count: number, then = ':') => ({
  id,
  command: ['/bin/sh', '-c', `i=0; while [ $i -lt ${count} ]; do echo ${id} $i; i=$((i+1)); done; ${then}`],
});

requires({ root: true })('a logger of the host program', () => {
  let host: TestHost;
  beforeAll(async () => {
    host = await startHost();
  });
  afterAll(() => host[Symbol.asyncDispose]());

  it('goes on in another host program where it was: nothing is lost, nothing is doubled', async () => {
    const { containerizer, image, root, stateRoot } = host;
    const sink = new Sink();
    const errors: GantryError[] = [];
    const onError = (error: GantryError) => errors.push(error);
    {
      await using _attached = await attachLogger(containerizer, sink, { onError });
      const waits = 'while [ ! -e /go ]; do sleep 0.05; done; echo later 300';
      await containerizer.launch({ image, ...counts('later', 300, waits) });
      await containerizer.launch({ image, ...counts('ended', 500) });
      await containerizer.wait('ended');
      sink.most = 700;
      await containerizer.launch({ image, ...counts('cut', 1000) });
      await containerizer.wait('cut');
      await expect.poll(() => sink.lines.get('later')?.length, { timeout: 10_000 }).toBe(300);
      await expect.poll(() => sink.lines.get('cut')?.length, { timeout: 10_000 }).toBe(700);
      await expect.poll(() => sink.ended.has('ended'), { timeout: 10_000 }).toBe(true);
    }
    sink.most = Number.POSITIVE_INFINITY;
    sink.ended.clear();
    // Written while no logger is there.
    await using go = await containerizer.exec('later', { command: ['/bin/touch', '/go'] });
    await go.exit;
    await containerizer.wait('later');
    await using other = await createContainerizer({ root, stateRoot });
    await other.recover();
    await using _again = await attachLogger(other, sink, { onError });
    for (const [id, count] of [
      ['later', 301],
      ['ended', 500],
      ['cut', 1000],
    ] as const) {
      await expect.poll(() => sink.ended.has(id), { timeout: 10_000 }).toBe(true);
      expect(sink.lines.get(id)).toEqual(numbered(id, count));
    }
    expect(errors).toEqual([]);
  });

  it('that fails is told, and the container goes on', async () => {
    const { containerizer, image } = host;
    const told: [id: string, message: string][] = [];
    const logger: ContainerLogger = {
      follow: async ({ id }, entries) => {
        for await (const _ of entries) if (id === 'failing') throw new Error('the disk is full');
      },
    };
    const onError = ({ message }: GantryError, { id }: LoggedContainer) => told.push([id, message]);
    await using _attached = await attachLogger(containerizer, logger, { onError });
    await containerizer.launch({ image, ...counts('failing', 10, 'exit 7') });
    expect((await containerizer.wait('failing')).exit).toMatchObject({ code: 7 });
    await expect.poll(() => told).toEqual([['failing', 'the logger of container failing: the disk is full']]);
  });
});
