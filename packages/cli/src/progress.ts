import type { Digest, ProgressEvent } from '@gantry/interface';
import { MultiBar, type SingleBar } from 'cli-progress';
import { type Console, formatBytes } from './console.js';

/** Shows the progress of a pull: bars on a terminal, a line an event elsewhere. */
export interface ProgressView {
  readonly onProgress: (event: ProgressEvent) => void;
  stop(): void;
}

export function showProgress(console: Console): ProgressView {
  return console.interactive ? new ProgressBars(console) : new ProgressLines(console);
}

class ProgressBars implements ProgressView {
  readonly #bars = new Map<Digest, SingleBar>();
  readonly #multi: MultiBar;

  constructor(console: Console) {
    this.#multi = new MultiBar({
      stream: console.stderr as NodeJS.WriteStream,
      format: '{digest} {step} {bar} {amount}',
      hideCursor: true,
      clearOnComplete: false,
      barsize: 30,
    });
  }

  onProgress = (event: ProgressEvent): void => {
    if (event.type === 'fetching') this.#update(event.digest, 'fetching ', event.current, event.total);
    else if (event.type === 'fetched')
      this.#update(event.digest, event.cached ? 'present  ' : 'fetched  ', event.total, event.total);
    else if (event.type === 'retrying') this.#multi.log(`${event.reason}; trying again in ${event.delayMs} ms\n`);
  };

  stop(): void {
    this.#multi.stop();
  }

  #update(digest: Digest, step: string, current: number, total: number): void {
    const payload = { digest: shortDigest(digest), step, amount: formatBytes(total) };
    const bar = this.#bars.get(digest) ?? this.#multi.create(total, 0, payload);
    this.#bars.set(digest, bar);
    bar.update(current, payload);
  }
}

class ProgressLines implements ProgressView {
  constructor(private readonly console: Console) {}

  onProgress = (event: ProgressEvent): void => {
    const line = progressLine(event);
    if (line) this.console.stderr.write(`${line}\n`);
  };

  stop(): void {
    // Lines need no end.
  }
}

/** One line for an event worth one; undefined for those that come many times a second. */
function progressLine(event: ProgressEvent): string | undefined {
  switch (event.type) {
    case 'resolving':
      return `resolving ${event.reference}`;
    case 'resolved':
      return `resolved ${event.digest}, ${event.layers.length} layers`;
    case 'fetched':
      return `${event.cached ? 'present' : 'fetched'} ${shortDigest(event.digest)} ${formatBytes(event.total)}`;
    case 'unpacked':
      return event.cached ? undefined : `unpacked ${shortDigest(event.digest)}`;
    case 'retrying':
      return `${event.reason}; trying again in ${event.delayMs} ms`;
    default:
      return undefined;
  }
}

/** The first 12 hex digits. */
export function shortDigest(digest: Digest): string {
  return digest.slice(digest.indexOf(':') + 1).slice(0, 12);
}
