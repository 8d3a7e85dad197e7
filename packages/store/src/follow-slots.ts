/** Who may unpack a blob that is still coming: so many at once, the others in the order in which they came. */
export class FollowSlots {
  #free: number;
  readonly #waiting = new Set<() => void>();

  constructor(count: number) {
    this.#free = count;
  }

  /** Resolves with the function that gives the slot back, to be called once; undefined if the blob has settled before there was one. */
  async take(settled: Promise<void>): Promise<(() => void) | undefined> {
    if (this.#free > 0) this.#free--;
    else if (!(await this.#wait(settled))) return undefined;
    return () => {
      const [next] = this.#waiting;
      if (next) next();
      else this.#free++;
    };
  }

  #wait(settled: Promise<void>): Promise<boolean> {
    return new Promise((resolve) => {
      const go = () => {
        this.#waiting.delete(go);
        resolve(true);
      };
      this.#waiting.add(go);
      void settled.then(() => {
        if (this.#waiting.delete(go)) resolve(false);
      });
    });
  }
}
