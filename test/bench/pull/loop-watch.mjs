import { closeSync, openSync, readSync } from 'node:fs';
import { monitorEventLoopDelay } from 'node:perf_hooks';

/** Watches how late the event loop of this thread runs, and why. */
export class LoopWatch {
  #delay = monitorEventLoopDelay({ resolution: 1 });
  #file = openSync('/proc/thread-self/schedstat', 'r');
  #buffer = Buffer.alloc(64);
  #timer = setInterval(() => this.#turn(), 1);
  #last = this.#read();
  #held = 0;
  #waited = 0;

  constructor() {
    this.#delay.enable();
  }

  /** Milliseconds that the thread has run, and that it has waited for a processor. */
  #read() {
    const size = readSync(this.#file, this.#buffer, 0, this.#buffer.length, 0);
    const [ran = 0, waited = 0] = this.#buffer.toString('latin1', 0, size).split(' ').map(Number);
    return { ran: ran / 1e6, waited: waited / 1e6 };
  }

  #turn() {
    const { ran, waited } = this.#read();
    this.#held = Math.max(this.#held, ran - this.#last.ran);
    this.#waited = Math.max(this.#waited, waited - this.#last.waited);
    this.#last = { ran, waited };
  }

  /**
   * Ends it. In milliseconds: the longest delay and the one that a hundredth is above; the most that the thread ran between two
   * turns, so that nothing else could, and the most that it waited for a processor meanwhile.
   */
  end() {
    this.#turn();
    this.#delay.disable();
    clearInterval(this.#timer);
    closeSync(this.#file);
    return {
      'loop max': this.#delay.max / 1e6,
      'loop p99': this.#delay.percentile(99) / 1e6,
      'loop held': this.#held,
      'loop waited': this.#waited,
    };
  }
}
