import { closeSync, openSync, readSync } from 'node:fs';
import { performance } from 'node:perf_hooks';

/**
 * Watches why the event loop of this thread runs late. How long the thread has run is not asked of the kernel, which counts it by its own
 * ticks, 4 ms apart.
 */
export class LoopWatch {
  #file = openSync('/proc/thread-self/schedstat', 'r');
  #buffer = Buffer.alloc(64);
  #timer = setInterval(() => this.#turn(), 1);
  #last = this.#read();
  #held = 0;
  #waited = 0;

  /** Milliseconds that the loop has been busy, and that its thread has waited for a processor. */
  #read() {
    const size = readSync(this.#file, this.#buffer, 0, this.#buffer.length, 0);
    const [, waited = 0] = this.#buffer.toString('latin1', 0, size).split(' ').map(Number);
    return { busy: performance.eventLoopUtilization().active, waited: waited / 1e6 };
  }

  #turn() {
    const { busy, waited } = this.#read();
    const hadNone = waited - this.#last.waited;
    this.#held = Math.max(this.#held, busy - this.#last.busy - hadNone);
    this.#waited = Math.max(this.#waited, hadNone);
    this.#last = { busy, waited };
  }

  /**
   * Ends it. In milliseconds: the most that the loop was busy between two turns, so that nothing else could be, without what its
   * thread waited for a processor; and the most of that.
   */
  end() {
    this.#turn();
    clearInterval(this.#timer);
    closeSync(this.#file);
    return {
      'loop held': this.#held,
      'loop waited': this.#waited,
    };
  }
}
