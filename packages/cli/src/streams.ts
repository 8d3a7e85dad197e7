import { once } from 'node:events';
import type { Readable, Writable } from 'node:stream';
import type { ReadStream, WriteStream } from 'node:tty';
import type { TerminalSize } from '@gantry/interface';
import type { Console } from './console.js';
import { DetachKeys } from './detach-keys.js';

/** The streams of a process in a container, whether its first or another. */
export interface ProcessStreams {
  readonly stdin?: Writable;
  readonly stdout: Readable;
  readonly stderr: Readable;
  resize(size: TerminalSize): Promise<void>;
}

/** What the caller sits at, if that is a terminal. */
export function terminalSize({ stdout }: Console): TerminalSize | undefined {
  const { columns, rows } = stdout as Partial<WriteStream>;
  return columns && rows ? { columns, rows } : undefined;
}

/**
 * Joins the caller's streams with a process's until that ends, or, `detached`, until the caller types ^P ^Q at a
 * `terminal`, which is raw meanwhile: every other key is the process's, and so is every change of size.
 */
export async function joinStreams(
  streams: ProcessStreams,
  console: Console,
  { terminal }: { readonly terminal: boolean },
): Promise<'ended' | 'detached'> {
  const keys = new DetachKeys();
  const copies = Promise.all([copy(streams.stdout, console.stdout), copy(streams.stderr, console.stderr)]);
  const input = terminal ? console.stdin.pipe(keys) : console.stdin;
  if (streams.stdin) input.pipe(streams.stdin, { end: false });
  // Who has detached ends nothing.
  input.once('end', () => {
    if (!keys.isDetached) streams.stdin?.end();
  });
  const restore = terminal ? enterRawMode(streams, console) : () => undefined;
  try {
    const detached = terminal ? once(keys, 'detach') : new Promise<never>(() => undefined);
    return await Promise.race([copies.then(() => 'ended' as const), detached.then(() => 'detached' as const)]);
  } finally {
    restore();
    if (streams.stdin) input.unpipe(streams.stdin);
    // Else a terminal that nobody types at would keep the command from ending.
    console.stdin.unpipe().pause();
  }
}

/** Copies a stream to its end, as fast as the other takes it. */
export async function copy(from: Readable, to: Writable): Promise<void> {
  for await (const chunk of from) await writeTo(to, chunk as Uint8Array);
}

/** Writes, and waits until there is room for more. Rejects if nobody takes it. */
export async function writeTo(to: Writable, chunk: Uint8Array | string): Promise<void> {
  // One that has failed never drains.
  if (to.errored) throw to.errored;
  if (!to.write(chunk)) await once(to, 'drain');
}

function enterRawMode(streams: ProcessStreams, console: Console): () => void {
  const stdin = console.stdin as Partial<ReadStream>;
  const resize = () => {
    const size = terminalSize(console);
    // One that has ended meanwhile has no size.
    if (size) streams.resize(size).catch(() => undefined);
  };
  stdin.setRawMode?.(true);
  console.stdout.on('resize', resize);
  resize();
  return () => {
    stdin.setRawMode?.(false);
    console.stdout.off('resize', resize);
  };
}
