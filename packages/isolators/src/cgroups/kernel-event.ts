import { closeSync } from 'node:fs';
import { errnoOf } from '@gantry/interface';
import { addon } from '@gantry/native';

/** Something that a descriptor of the kernel tells of. */
export interface KernelEvent {
  /** Which poll(2) tells it by; the event's from here on. */
  readonly fd: number;
  readonly poll: 'readable' | 'priority';
  /** Whether `take` itself finds whether anything has come, and so may be asked at any time. */
  readonly counts: boolean;
  /** Reads what there is to know, so that poll(2) is at rest until more comes. Throws ENODEV or ENOENT once the control group is gone. */
  take(): void;
}

/** Watches all, or none: then they are closed. */
export function watchAll(events: readonly KernelEvent[], onError: (error: unknown) => void): KernelEventWatch[] {
  const watches: KernelEventWatch[] = [];
  try {
    for (const event of events) watches.push(new KernelEventWatch(event, onError));
    return watches;
  } catch (error) {
    for (const watch of watches) watch.close();
    for (const { fd } of events.slice(watches.length)) closeSync(fd);
    throw error;
  }
}

/** Has the event loop wait for an event, each time that it comes, until `close`. */
export class KernelEventWatch {
  readonly #event: KernelEvent;
  #watch: { close(): void } | undefined;

  /** `onError` is told why no more events come, unless that is the end of the group. */
  constructor(event: KernelEvent, onError: (error: unknown) => void) {
    this.#event = event;
    this.#watch = new (addon().PollWatch)(event.fd, event.poll, () => {
      try {
        event.take();
      } catch (error) {
        this.close();
        if (!isGone(error)) onError(error);
      }
    });
  }

  /** Takes what came last. */
  flush(): void {
    if (!this.#watch || !this.#event.counts) return;
    try {
      this.#event.take();
    } catch (error) {
      if (!isGone(error)) throw error;
    }
  }

  close(): void {
    if (!this.#watch) return;
    this.#watch.close();
    this.#watch = undefined;
    closeSync(this.#event.fd);
  }
}

/** Whether that is the end of the control group. */
function isGone(error: unknown): boolean {
  return errnoOf(error) === 'ENODEV' || errnoOf(error) === 'ENOENT';
}
