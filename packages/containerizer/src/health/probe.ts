import { request } from 'node:http';
import type { Readable } from 'node:stream';
import { finished } from 'node:stream/promises';
import { setTimeout as delay } from 'node:timers/promises';
import {
  type ContainerId,
  type Containerizer,
  GantryError,
  isGantryError,
  raceAbort,
  toGantryError,
} from '@gantry/interface';
import type { HealthProbe } from './check.js';

/** What probes need of a containerizer. */
export type ProbeTarget = Pick<Containerizer, 'exec' | 'connect'>;

/** What came of one probe, and why. */
export interface ProbeAnswer {
  readonly healthy: boolean;
  /** For people: an exit status with what was written, an HTTP status, or an error. */
  readonly message: string;
}

type ProbeOf<T extends HealthProbe['type']> = Extract<HealthProbe, { type: T }>;

/** So much of what a command writes is kept for the message. */
const maxOutput = 1024;

/** So long what it wrote is waited for after its exit. */
const maxLateMs = 100;

/**
 * Asks once. Never rejects: whatever goes wrong is an unhealthy answer, but of a container that has ended or is paused there is none.
 * Ends within `timeoutMs`, or when `stop` fires, but for the time that the kernel needs to end the command.
 */
export async function runProbe(
  target: ProbeTarget,
  id: ContainerId,
  probe: HealthProbe,
  timeoutMs: number,
  stop: AbortSignal,
): Promise<ProbeAnswer | undefined> {
  const end = new AbortController();
  const onStop = () => end.abort(stop.reason);
  const timer = setTimeout(() => {
    end.abort(new GantryError('TIMEOUT', `no answer within ${timeoutMs} ms`));
  }, timeoutMs);
  stop.addEventListener('abort', onStop, { once: true });
  if (stop.aborted) onStop();
  try {
    return await ask(target, id, probe, end.signal);
  } catch (error) {
    if (isGantryError(error, 'WRONG_STATE')) return undefined;
    const reason = end.signal.aborted ? end.signal.reason : error;
    return { healthy: false, message: toGantryError(reason, `asking container ${id}`).message };
  } finally {
    clearTimeout(timer);
    stop.removeEventListener('abort', onStop);
  }
}

function ask(target: ProbeTarget, id: ContainerId, probe: HealthProbe, signal: AbortSignal): Promise<ProbeAnswer> {
  switch (probe.type) {
    case 'command':
      return runCommand(target, id, probe, signal);
    case 'tcp':
      return openPort(target, id, probe, signal);
    case 'http':
      return getPath(target, id, probe, signal);
  }
}

async function runCommand(
  target: ProbeTarget,
  id: ContainerId,
  { command, env, user }: ProbeOf<'command'>,
  signal: AbortSignal,
): Promise<ProbeAnswer> {
  const spec = { command, ...(env ? { env } : {}), ...(user === undefined ? {} : { user }) };
  await using entered = await target.exec(id, spec, { signal });
  entered.stdin.on('error', ignore).end();
  const output = [keepHead(entered.stdout), keepHead(entered.stderr)];
  const exit = await raceAbort(entered.exit, signal, 'the command');
  await untilRead([entered.stdout, entered.stderr]);
  const healthy = exit.type === 'exited' && exit.code === 0;
  const how =
    exit.type === 'exited' ? `exited with ${exit.code}` : exit.type === 'signaled' ? exit.signal : exit.reason;
  const written = output
    .map((head) => head())
    .join('')
    .trim();
  return { healthy, message: written === '' ? how : `${how}: ${written}` };
}

/** Reads a stream to its end, so that its writer is not held up, and gives the first of it as text. */
function keepHead(stream: Readable): () => string {
  const head = Buffer.alloc(maxOutput);
  let size = 0;
  stream.on('error', ignore).on('data', (chunk: Uint8Array) => {
    size += Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length).copy(head, size);
  });
  return () => head.toString('utf8', 0, size);
}

/** What a command wrote may come after its exit; but what it left behind may keep its output open for ever. */
async function untilRead(streams: readonly Readable[]): Promise<void> {
  const enough = new AbortController();
  const ends = Promise.allSettled(streams.map((stream) => finished(stream)));
  const late = delay(maxLateMs, undefined, { signal: enough.signal }).catch(ignore);
  await Promise.race([ends, late]);
  enough.abort();
}

async function openPort(
  target: ProbeTarget,
  id: ContainerId,
  { port }: ProbeOf<'tcp'>,
  signal: AbortSignal,
): Promise<ProbeAnswer> {
  const socket = await target.connect(id, port, { signal });
  socket.on('error', ignore).destroy();
  return { healthy: true, message: `port ${port} is open` };
}

async function getPath(
  target: ProbeTarget,
  id: ContainerId,
  { port, path = '/', headers, expect = { from: 200, to: 399 } }: ProbeOf<'http'>,
  signal: AbortSignal,
): Promise<ProbeAnswer> {
  const socket = await target.connect(id, port, { signal });
  try {
    const status = await new Promise<number>((resolve, reject) => {
      const options = { path, headers: { Host: `localhost:${port}`, ...headers }, signal };
      request({ ...options, createConnection: () => socket }, (response) => {
        // Only the status counts; the body ends with the connection.
        response.on('error', ignore);
        resolve(response.statusCode ?? 0);
      })
        .on('error', reject)
        .end();
    });
    return { healthy: status >= expect.from && status <= expect.to, message: `HTTP status ${status}` };
  } finally {
    socket.on('error', ignore).destroy();
  }
}

/** For streams that are given up: the exit, the status or the deadline has decided already. */
function ignore(): void {}
