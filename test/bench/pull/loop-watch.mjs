import { closeSync, openSync, readSync } from 'node:fs';

/** Watches why the event loop of this thread runs late. */
export class LoopWatch {
  #file = openSync('/proc/thread-self/schedstat', 'r');
  #buffer = Buffer.alloc(64);
  #timer = setInterval(() => this.#turn(), 1);
  #last = this.#read();
  #held = 0;
  #waited = 0;

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
   * Ends it. In milliseconds: the most that the thread ran between two turns, so that nothing else could, and the most that it
   * waited for a processor meanwhile.
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
