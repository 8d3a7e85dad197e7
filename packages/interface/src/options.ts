import { GantryError } from './errors.js';
import type { Descriptor, Digest } from './image.js';

/** What every call that may take long accepts. */
export interface CallOptions {
  /** Aborting it makes the call settle with an `ABORTED` error once whatever it started is undone. */
  readonly signal?: AbortSignal;
  /** Called synchronously, in order; what it throws is reported as an unhandled error of the host program's own. */
  readonly onProgress?: (event: ProgressEvent) => void;
}

/** One report of progress. `current` and `total` are bytes; a layer's total is its compressed size. */
export type ProgressEvent =
  | { readonly type: 'resolving'; readonly reference: string }
  | {
      readonly type: 'resolved';
      readonly reference: string;
      readonly digest: Digest;
      readonly layers: readonly Descriptor[];
    }
  | { readonly type: 'fetching'; readonly digest: Digest; readonly current: number; readonly total: number }
  | { readonly type: 'fetched'; readonly digest: Digest; readonly total: number; readonly cached: boolean }
  | { readonly type: 'unpacking'; readonly digest: Digest; readonly current: number; readonly total: number }
  | { readonly type: 'unpacked'; readonly digest: Digest; readonly cached: boolean }
  /** Of a root file system that is copied; how much there is to come is not known. */
  | { readonly type: 'copying'; readonly entries: number; readonly bytes: number }
  | {
      readonly type: 'retrying';
      readonly what: string;
      readonly attempt: number;
      readonly delayMs: number;
      readonly reason: string;
    };

/** Throws `ABORTED`, with the signal's reason as its cause, if the signal has fired. */
export function throwIfAborted(signal: AbortSignal | undefined, what: string): void {
  if (signal?.aborted) throw abortedError(signal, what);
}

/** The `ABORTED` error for a call named by `what`. */
export function abortedError(signal: AbortSignal, what: string): GantryError {
  return new GantryError('ABORTED', `${what}: aborted by the caller`, { cause: signal.reason });
}

/** Settles with the promise, or rejects with `ABORTED` as soon as the signal fires; the promise itself goes on. */
export async function raceAbort<T>(promise: Promise<T>, signal: AbortSignal | undefined, what: string): Promise<T> {
  if (!signal) return promise;
  if (signal.aborted) {
    promise.catch(() => undefined);
    throw abortedError(signal, what);
  }
  let onAbort: (() => void) | undefined;
  const aborted = new Promise<never>((_, reject) => {
    onAbort = () => reject(abortedError(signal, what));
    signal.addEventListener('abort', onAbort, { once: true });
  });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    if (onAbort) signal.removeEventListener('abort', onAbort);
  }
}
