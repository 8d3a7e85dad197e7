import { spawn } from 'node:child_process';
import { errnoOf, GantryError, throwIfAborted, toGantryError } from '@gantry/interface';

export { findProgram } from '@gantry/native';

const outputLimit = 64 * 1024;

/** What a program came to. */
export interface ProgramResult {
  /** Null if a signal ended it. */
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface ProgramOptions {
  readonly input?: string;
  /** Milliseconds after which it is killed, with all that it has started. */
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Runs a program to its end, with no environment but a PATH and what it writes kept up to 64 KiB. `TIMEOUT` and `ABORTED` have it
 * killed, with all that it has started; `SYSTEM` if it cannot be started.
 */
export async function runProgram(
  path: string,
  args: readonly string[],
  { input = '', timeoutMs, signal }: ProgramOptions,
): Promise<ProgramResult> {
  throwIfAborted(signal, `running ${path}`);
  const deadline = AbortSignal.timeout(timeoutMs);
  // In a group of its own, of which none is left.
  const child = spawn(path, args, {
    env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C' },
    stdio: ['pipe', 'pipe', 'pipe'],
    detached: true,
  });
  const output = { stdout: '', stderr: '' };
  const stop = signal ? AbortSignal.any([signal, deadline]) : deadline;
  const kill = () => killGroup(child.pid);
  stop.addEventListener('abort', kill, { once: true });
  const ended = new Promise<number | null>((resolve, reject) => {
    child.on('error', (error) => reject(toGantryError(error, `starting ${path}`)));
    child.on('close', (status) => {
      if (stop.aborted) reject(interrupted(path, signal, timeoutMs, stop.reason));
      else resolve(status);
    });
  }).finally(() => stop.removeEventListener('abort', kill));
  // One that could not be started has no streams where Node.js is out of descriptors.
  if (child.pid !== undefined) {
    for (const name of ['stdout', 'stderr'] as const) {
      child[name].setEncoding('utf8').on('data', (text: string) => {
        output[name] = (output[name] + text).slice(0, outputLimit);
      });
    }
    // One that ends without reading all is told by its status.
    child.stdin.on('error', () => undefined).end(input);
  }
  const code = await ended;
  return { code, ...output };
}

/** The group keeps its number until the last of it has ended. One that runs with more privileges than the host program has to end by itself. */
function killGroup(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch (error) {
    if (!['ESRCH', 'EPERM'].includes(errnoOf(error) ?? '')) throw error;
  }
}

function interrupted(path: string, signal: AbortSignal | undefined, timeoutMs: number, cause: unknown): GantryError {
  return signal?.aborted
    ? new GantryError('ABORTED', `running ${path}: aborted`, { cause: signal.reason })
    : new GantryError('TIMEOUT', `running ${path}: it did not end within ${timeoutMs} ms and was killed`, { cause });
}
