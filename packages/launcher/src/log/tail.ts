import type { LogEntry } from '@gantry/interface';

const newline = 0x0a;

/** Lines over the number wanted that are kept until it is worth to drop them together. */
const slack = 1000;

/** Keeps the last so many lines of a log, each with all its pieces, and a line that has not ended yet. */
export class LogTail {
  readonly #most: number;
  #entries: LogEntry[] = [];
  #lines = 0;

  constructor(most: number) {
    this.#most = most;
  }

  push(entry: LogEntry): void {
    this.#entries.push(entry);
    if (endsLine(entry) && ++this.#lines > 2 * this.#most + slack) this.#trim();
  }

  /** What is kept, oldest first. */
  entries(): readonly LogEntry[] {
    this.#trim();
    return this.#entries;
  }

  /** Drops the oldest lines. Among their pieces may be some of the other stream's, for a line that ends later: they stay. */
  #trim(): void {
    let count = 0;
    for (let surplus = this.#lines - this.#most; surplus > 0; count++) {
      const entry = this.#entries[count];
      if (entry && endsLine(entry)) surplus--;
    }
    const ended = new Set<string>();
    const unended: LogEntry[] = [];
    for (const entry of this.#entries.slice(0, count).reverse()) {
      if (endsLine(entry)) ended.add(entry.stream);
      else if (!ended.has(entry.stream)) unended.unshift(entry);
    }
    this.#entries = [...unended, ...this.#entries.slice(count)];
    this.#lines = Math.min(this.#lines, this.#most);
  }
}

function endsLine({ data }: LogEntry): boolean {
  return data.at(-1) === newline;
}
