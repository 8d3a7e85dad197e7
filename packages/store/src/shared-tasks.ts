import { setMaxListeners } from 'node:events';
import { type CallOptions, type ProgressEvent, raceAbort, throwIfAborted } from '@gantry/interface';

/** What a shared task is given: a signal that fires once nobody waits any more, and where to report progress to. */
export interface TaskContext {
  readonly signal: AbortSignal;
  readonly onProgress: (event: ProgressEvent) => void;
}

interface Task<T> {
  readonly result: Promise<T>;
  readonly controller: AbortController;
  readonly callers: Set<CallOptions>;
  /** The events that no later one makes void, for callers who join late. */
  readonly milestones: ProgressEvent[];
}

/**
 * Runs a piece of work once however many ask for it at the same time. A caller that aborts leaves the others alone;
 * when the last one has aborted the work itself is aborted, and that caller settles after the work did.
 */
export class SharedTasks<T> {
  readonly #tasks = new Map<string, Task<T>>();

  async join(key: string, what: string, options: CallOptions, run: (context: TaskContext) => Promise<T>): Promise<T> {
    throwIfAborted(options.signal, what);
    const task = this.#tasks.get(key) ?? this.#start(key, run);
    // A copy: two calls may pass the same options object.
    const caller = { ...options };
    for (const event of task.milestones) report(caller, event);
    task.callers.add(caller);
    try {
      return await raceAbort(task.result, options.signal, what);
    } finally {
      task.callers.delete(caller);
      if (task.callers.size === 0 && this.#forget(key, task)) {
        task.controller.abort(options.signal?.reason);
        await task.result.catch(() => undefined);
      }
    }
  }

  #start(key: string, run: (context: TaskContext) => Promise<T>): Task<T> {
    const controller = new AbortController();
    // Everything that the work starts listens to it; that many listeners are no leak.
    setMaxListeners(0, controller.signal);
    const callers = new Set<CallOptions>();
    const milestones: ProgressEvent[] = [];
    const onProgress = (event: ProgressEvent): void => {
      if (isMilestone(event)) milestones.push(event);
      for (const caller of callers) report(caller, event);
    };
    // Deferred, so that the first caller is listening before the first event.
    const result = Promise.resolve().then(() => run({ signal: controller.signal, onProgress }));
    const task: Task<T> = { result, controller, callers, milestones };
    this.#tasks.set(key, task);
    const settled = () => void this.#forget(key, task);
    result.then(settled, settled);
    return task;
  }

  /** True if the task was still the one that new callers would join. */
  #forget(key: string, task: Task<T>): boolean {
    return this.#tasks.get(key) === task && this.#tasks.delete(key);
  }
}

function isMilestone(event: ProgressEvent): boolean {
  return event.type === 'resolved' || event.type === 'fetched' || event.type === 'unpacked';
}

/** Tells one caller. */
export function report(caller: CallOptions, event: ProgressEvent): void {
  try {
    caller.onProgress?.(event);
  } catch (error) {
    // The fault is the listener's: it goes to the host program, and the work and the other listeners go on.
    queueMicrotask(() => {
      throw error;
    });
  }
}
