import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { abortedError, GantryError, isGantryError, throwIfAborted, toGantryError } from '@gantry/interface';
import type { ChosenStack } from './choice.js';
import { files, nameOf, pastaArguments, type StackRequest, slirpArguments } from './command.js';
import { bindHeldPorts } from './held-ports.js';
import { mapSlirpPorts } from './slirp-ports.js';

/** Characters of what a stack says at its start that are kept. */
const mostNoise = 2000;

interface StartOptions {
  readonly folder: string;
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Starts a stack, which outlives this program, and gives its pid once the network is there and all ports are mapped. `started` hears of
 * the pid before that, where it is known. `PLUGIN_ERROR` if the stack does not come up, `TIMEOUT`, `ABORTED`; what then still runs is
 * for the caller to find.
 */
export async function startStack(
  chosen: ChosenStack,
  request: StackRequest,
  options: StartOptions,
  started: (pid: number) => void,
): Promise<void> {
  throwIfAborted(options.signal, `starting ${chosen.stack}`);
  if (chosen.stack === 'slirp4netns') return startSlirp(chosen, request, options, started);
  // It binds them before it does anything else.
  await bindHeldPorts(
    () => startPasta(chosen, request, options, started),
    (error) => isGantryError(error, 'PLUGIN_ERROR') && /failed to bind/i.test(error.message),
  );
}

/** It ends when all is in force, and leaves another process. */
async function startPasta(
  chosen: ChosenStack,
  request: StackRequest,
  options: StartOptions,
  started: (pid: number) => void,
) {
  const { folder } = options;
  rmSync(join(folder, files.pid), { force: true });
  const child = await launch(chosen, pastaArguments(request, folder), request, folder, ['ignore', 'ignore', 'pipe']);
  const noise = collect(child.stderr);
  const { code, signal } = await bounded(child, options, chosen.stack, endOf(child, 'close'));
  if (code !== 0) throw failed(chosen, signal ?? `status ${code}`, noise());
  const pid = Number(readFileSync(join(folder, files.pid), 'latin1'));
  if (!Number.isSafeInteger(pid) || pid <= 1) throw failed(chosen, 'no pid', noise());
  started(pid);
}

/** It goes on as what was started. What it has to say later goes nowhere: nobody could hold it to an amount. */
async function startSlirp(
  chosen: ChosenStack,
  request: StackRequest,
  options: StartOptions,
  started: (pid: number) => void,
) {
  const { folder } = options;
  rmSync(join(folder, files.socket), { force: true });
  const child = await launch(chosen, slirpArguments(request), request, folder, ['ignore', 'ignore', 'ignore', 'pipe']);
  const ready = child.stdio[3] as Readable;
  if (child.pid !== undefined) started(child.pid);
  const first = Promise.race([once(ready, 'data').then(() => undefined), endOf(child, 'exit')]);
  const ended = await bounded(child, options, chosen.stack, first);
  if (ended)
    throw failed(
      chosen,
      ended.signal ?? `status ${ended.code}`,
      `its arguments were ${child.spawnargs.slice(1).join(' ')}`,
    );
  ready.destroy();
  child.unref();
  await mapSlirpPorts(folder, files.socket, request.ports);
}

/** Resolves once it runs: one that could not be started may have no streams, where Node.js is out of descriptors. */
async function launch(
  { program, stack }: ChosenStack,
  args: readonly string[],
  { netNS }: StackRequest,
  cwd: string,
  stdio: ('ignore' | 'pipe')[],
): Promise<ChildProcess> {
  const child = spawn(program, args, {
    argv0: nameOf(stack, netNS),
    cwd,
    env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C' },
    // Of a session of its own: no signal of a terminal comes to it.
    detached: true,
    stdio,
  });
  try {
    await once(child, 'spawn');
  } catch (error) {
    throw toGantryError(error, `starting ${stack}`);
  }
  return child;
}

type Exit = { readonly code: number | null; readonly signal: NodeJS.Signals | null };

/** How it ended: at once, or when all is read of what it wrote. */
async function endOf(child: ChildProcess, event: 'exit' | 'close'): Promise<Exit> {
  const [code, signal] = (await once(child, event)) as [number | null, NodeJS.Signals | null];
  return { code, signal };
}

/** The work, unless it takes too long or is given up: then the process is killed. */
async function bounded<T>(
  child: ChildProcess,
  { timeoutMs, signal }: StartOptions,
  stack: string,
  work: Promise<T>,
): Promise<T> {
  let stop: () => void = () => undefined;
  const stopped = new Promise<never>((_, reject) => {
    const late = new GantryError('TIMEOUT', `${stack} was not ready within ${timeoutMs} ms and was killed`);
    const timer = setTimeout(() => reject(late), timeoutMs);
    const abort = () => signal && reject(abortedError(signal, `starting ${stack}`));
    signal?.addEventListener('abort', abort, { once: true });
    stop = () => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', abort);
    };
  });
  try {
    return await Promise.race([work, stopped]);
  } catch (error) {
    work.catch(() => undefined);
    child.kill('SIGKILL');
    throw toGantryError(error, `starting ${stack}`);
  } finally {
    stop();
  }
}

function collect(stream: Readable | null): () => string {
  let text = '';
  stream?.on('data', (piece: Buffer) => {
    text = (text + piece.toString()).slice(0, mostNoise);
  });
  return () => text.trim();
}

function failed({ stack, program }: ChosenStack, how: string, noise: string): GantryError {
  return new GantryError(
    'PLUGIN_ERROR',
    `network 'user': ${stack} did not come up (${how})${noise === '' ? '' : `: ${noise}`}`,
    {
      details: { stack, program },
    },
  );
}
