import { errnoOf } from '@gantry/interface';
import type { Console } from './console.js';

/** The status of a program that SIGPIPE has ended. */
export const brokenPipe = 141;

/** Sees whether what a command writes to comes to fail, as a pipe whose reader has gone. */
export class OutputWatch implements Disposable {
  readonly #failed = new AbortController();
  readonly #console: Console;

  constructor(console: Console) {
    this.#console = console;
    for (const stream of [console.stdout, console.stderr]) stream.on('error', this.#onError);
  }

  /** Fires when an output fails: for the command that is as an interrupt. */
  get signal(): AbortSignal {
    return this.#failed.signal;
  }

  /** What the command exits with then; undefined if nothing failed. */
  get status(): number | undefined {
    if (!this.signal.aborted) return undefined;
    return errnoOf(this.signal.reason) === 'EPIPE' ? brokenPipe : 125;
  }

  [Symbol.dispose](): void {
    for (const stream of [this.#console.stdout, this.#console.stderr]) stream.off('error', this.#onError);
  }

  #onError = (error: Error): void => this.#failed.abort(error);
}
