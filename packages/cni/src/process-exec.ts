import { abortedError, GantryError, type HostPrograms, throwIfAborted, toGantryError } from '@gantry/interface';
import type { Exec, ExecOptions, PluginCall, PluginOutput } from './exec.js';
import { nodePrograms } from './node-programs.js';

export interface ProcessExecOptions {
  /** Bytes that a plugin may write to each of its streams. Default 4 MiB. */
  readonly maxOutput?: number;
  /** What starts them. Default: Node.js, which copies the page tables of the host program for each. */
  readonly programs?: HostPrograms;
}

/**
 * Runs plugins as processes, each in a group of its own: with the plugin ends what it has started, if it is made to end. Their
 * environment has nothing in it but what the call says.
 */
export class ProcessExec implements Exec {
  readonly #maxOutput: number;
  readonly #programs: HostPrograms;

  constructor({ maxOutput = 4 * 2 ** 20, programs = nodePrograms }: ProcessExecOptions = {}) {
    this.#maxOutput = maxOutput;
    this.#programs = programs;
  }

  async run(call: PluginCall, { signal, timeoutMs }: ExecOptions): Promise<PluginOutput> {
    throwIfAborted(signal, `running ${call.path}`);
    const { path, environment, stdin: input } = call;
    const mostOutput = this.#maxOutput;
    const { ended, kill } = this.#programs.run({ path, environment, input, mostOutput });
    let failure: GantryError | undefined;
    const end = (error: GantryError) => {
      failure ??= error;
      kill();
    };
    const timer = setTimeout(() => {
      end(
        new GantryError('TIMEOUT', `${path} did not end within ${timeoutMs} ms and was killed`, {
          details: { path, timeoutMs },
        }),
      );
    }, timeoutMs);
    const abort = () => signal && end(abortedError(signal, `running ${path}`));
    signal?.addEventListener('abort', abort, { once: true });
    try {
      const { isOverLimit, ...output } = await ended;
      if (failure) throw failure;
      if (isOverLimit) throw overLimit(path, mostOutput);
      return output;
    } catch (error) {
      throw toGantryError(error, `starting ${path}`);
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener('abort', abort);
    }
  }
}

function overLimit(path: string, maxOutput: number): GantryError {
  return new GantryError('LIMIT_EXCEEDED', `${path} wrote more than ${maxOutput} bytes and was killed`, {
    details: { path, maxOutput },
  });
}
