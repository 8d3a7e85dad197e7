import { type ChildProcess, spawn } from 'node:child_process';
import { abortedError, GantryError, throwIfAborted, toGantryError } from '@gantry/interface';
import type { Exec, ExecOptions, PluginCall, PluginOutput } from './exec.js';

export interface ProcessExecOptions {
  /** Bytes that a plugin may write to each of its streams. Default 4 MiB. */
  readonly maxOutput?: number;
}

/** Milliseconds that a plugin which was killed has to end, before the caller is told all the same. */
const killTime = 5000;

/**
 * Runs plugins as processes, each in a group of its own: with the plugin ends what it has started, if it is made to end. Their
 * environment has nothing in it but what the call says.
 */
export class ProcessExec implements Exec {
  readonly #maxOutput: number;

  constructor({ maxOutput = 4 * 2 ** 20 }: ProcessExecOptions = {}) {
    this.#maxOutput = maxOutput;
  }

  async run(call: PluginCall, { signal, timeoutMs }: ExecOptions): Promise<PluginOutput> {
    throwIfAborted(signal, `running ${call.path}`);
    const child = spawn(call.path, [], { env: { ...call.environment }, cwd: '/', detached: true, stdio: 'pipe' });
    const run = new Run(child, call.path, this.#maxOutput);
    const timer = setTimeout(() => {
      run.end(
        new GantryError('TIMEOUT', `${call.path} did not end within ${timeoutMs} ms and was killed`, {
          details: { path: call.path, timeoutMs },
        }),
      );
    }, timeoutMs);
    const abort = () => signal && run.end(abortedError(signal, `running ${call.path}`));
    signal?.addEventListener('abort', abort, { once: true });
    try {
      // One that could not be started has no streams where Node.js is out of descriptors.
      if (child.pid !== undefined) {
        // One that does not read it, or has ended, says so by itself.
        child.stdin.on('error', () => undefined);
        child.stdin.end(call.stdin);
      }
      return await run.output;
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener('abort', abort);
    }
  }
}

/** A process whose output is collected until it has ended. */
class Run {
  readonly output: Promise<PluginOutput>;
  readonly #child: ChildProcess;
  #failure: GantryError | undefined;
  #timer: NodeJS.Timeout | undefined;
  #reject: (error: GantryError) => void = () => undefined;

  constructor(child: ChildProcess, path: string, maxOutput: number) {
    this.#child = child;
    const streams = { stdout: [] as Buffer[], stderr: [] as Buffer[] };
    for (const name of ['stdout', 'stderr'] as const) {
      let size = 0;
      child[name]?.on('data', (piece: Buffer) => {
        size += piece.length;
        if (size <= maxOutput) streams[name].push(piece);
        else
          this.end(
            new GantryError('LIMIT_EXCEEDED', `${path} wrote more than ${maxOutput} bytes and was killed`, {
              details: { path, maxOutput },
            }),
          );
      });
    }
    this.output = new Promise((resolve, reject) => {
      this.#reject = reject;
      child.on('error', (error) => {
        // Else it is about a signal that came too late.
        if (child.pid === undefined) reject(toGantryError(error, `starting ${path}`));
      });
      child.on('close', (code, signal) => {
        clearTimeout(this.#timer);
        if (this.#failure) return reject(this.#failure);
        const text = (name: 'stdout' | 'stderr') => Buffer.concat(streams[name]).toString();
        const ended = code === null ? { signal: signal ?? 'unknown' } : { code };
        resolve({ stdout: text('stdout'), stderr: text('stderr'), ...ended });
      });
    });
  }

  /** Kills the process and its group; the output then fails with this error, the first one if there are several. */
  end(error: GantryError): void {
    if (this.#failure) return;
    this.#failure = error;
    const { pid } = this.#child;
    if (pid === undefined) return;
    try {
      process.kill(-pid, 'SIGKILL');
    } catch {
      // The group is gone.
    }
    this.#timer = setTimeout(() => {
      for (const stream of this.#child.stdio) stream?.destroy();
      this.#reject(error);
    }, killTime);
  }
}
