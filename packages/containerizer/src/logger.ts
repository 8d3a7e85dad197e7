import { setMaxListeners } from 'node:events';
import {
  type CallOptions,
  type ContainerId,
  type Containerizer,
  type ContainerizerEvents,
  type ContainerStatus,
  GantryError,
  isGantryError,
  type LogEntry,
  type LogPosition,
  throwIfAborted,
  toGantryError,
} from '@gantry/interface';

/** What a logger is told of a container. An id may come again once a container was removed; with `createdAt` it does not. */
export type LoggedContainer = Pick<ContainerStatus, 'id' | 'labels' | 'createdAt'>;

/** A place of the host program's own for what its containers write. */
export interface ContainerLogger {
  /**
   * The position of the last entry of the container that is safe with the logger; undefined for none, then the log is given from
   * its start. Without it every log is given from its start to each host program.
   */
  position?(container: LoggedContainer): Promise<LogPosition | undefined>;
  /**
   * Takes the entries behind `from`, until the container ends. They are read as fast as the logger takes them, so one
   * that is slow holds up nobody, but what is rotated away before it is read is lost, and `entries` fails. They fail with `ABORTED`
   * when the logger is detached. To return before their end is to want no more.
   */
  follow(container: LoggedContainer, entries: AsyncIterable<LogEntry>, from?: LogPosition): Promise<void>;
}

/** What {@link attachLogger} needs of a containerizer. */
export type LogSource = Pick<Containerizer, 'containers' | 'status' | 'logs' | 'on' | 'off'>;

/** Options of {@link attachLogger}. */
export interface LoggerOptions extends Pick<CallOptions, 'signal'> {
  /**
   * Told what the logger, or reading for it, failed with; the container goes on without the logger, but for a position that
   * is not in the log any more: then it goes on from the oldest entry. What it throws is the host program's own unhandled error.
   */
  readonly onError: (error: GantryError, container: LoggedContainer) => void;
}

/**
 * Gives the log of every container to a logger: of those that there are, also if they have ended but are not removed, and of those to
 * come. Call it after `recover`; with positions that the logger keeps, nothing is lost or doubled from one host program to the next.
 * Disposing it, or the signal, detaches the logger, and resolves once every `follow` has settled.
 */
export async function attachLogger(
  source: LogSource,
  logger: ContainerLogger,
  options: LoggerOptions,
): Promise<AsyncDisposable> {
  throwIfAborted(options.signal, 'attaching a logger');
  const attached = new AttachedLogger(source, logger, options);
  try {
    await attached.start();
  } catch (error) {
    await attached[Symbol.asyncDispose]();
    throw error;
  }
  return attached;
}

class AttachedLogger implements AsyncDisposable {
  readonly #source: LogSource;
  readonly #logger: ContainerLogger;
  readonly #options: LoggerOptions;
  readonly #detach = new AbortController();
  /** By id, the end of the last following that was begun: when that container was created. */
  readonly #followed = new Map<ContainerId, Promise<number | undefined>>();

  constructor(source: LogSource, logger: ContainerLogger, options: LoggerOptions) {
    this.#source = source;
    this.#logger = logger;
    this.#options = options;
    // Every log that is followed listens.
    setMaxListeners(0, this.#detach.signal);
  }

  async start(): Promise<void> {
    const { signal } = this.#options;
    signal?.addEventListener('abort', this.#abort, { once: true });
    // Listening first: what is launched while the list is read is in one of both, or in both.
    this.#source.on('state', this.#onState);
    for await (const { id, state } of this.#source.containers()) {
      if (state === 'RUNNING' || state === 'PAUSED' || state === 'DESTROYING' || state === 'DESTROYED') this.#begin(id);
    }
    throwIfAborted(signal, 'attaching a logger');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#abort();
    await Promise.all(this.#followed.values());
  }

  #abort = (): void => {
    this.#source.off('state', this.#onState);
    this.#options.signal?.removeEventListener('abort', this.#abort);
    this.#detach.abort(this.#options.signal?.reason);
  };

  #onState = ({ id, from, to }: ContainerizerEvents['state'][0]): void => {
    if (to === 'RUNNING' && from !== 'PAUSED') this.#begin(id);
  };

  #begin(id: ContainerId): void {
    if (this.#detach.signal.aborted) return;
    // Asked at once: an id may be another container's by the time that the one before is done.
    const following = this.#followNext(this.#source.status(id), this.#followed.get(id));
    this.#followed.set(id, following);
    void following.then(() => {
      if (this.#followed.get(id) === following) this.#followed.delete(id);
    });
  }

  /** Never rejects. */
  async #followNext(
    status: Promise<ContainerStatus>,
    before: Promise<number | undefined> | undefined,
  ): Promise<number | undefined> {
    try {
      // Awaited first, so that its failure is seen whatever the one before does.
      const { id, labels, createdAt } = await status;
      if ((await before) !== createdAt) await this.#follow({ id, labels, createdAt });
      return createdAt;
    } catch {
      return undefined; // It was removed before anything could be read.
    }
  }

  async #follow(container: LoggedContainer): Promise<void> {
    const { signal } = this.#detach;
    if (signal.aborted) return;
    try {
      const from = await this.#logger.position?.(container);
      const entries = this.#entries(container, from);
      await (from === undefined
        ? this.#logger.follow(container, entries)
        : this.#logger.follow(container, entries, from));
    } catch (error) {
      if (!signal.aborted || !isGantryError(error, 'ABORTED')) this.#tell(error, container);
    }
  }

  async *#entries(
    container: LoggedContainer,
    from: LogPosition | undefined,
  ): AsyncGenerator<LogEntry, void, undefined> {
    const { id, createdAt } = container;
    const options = { follow: true, signal: this.#detach.signal };
    if ((await this.#source.status(id)).createdAt !== createdAt) {
      throw new GantryError('NOT_FOUND', `container ${id} was removed before its log was read`, { details: { id } });
    }
    let isFound = false;
    try {
      for await (const entry of this.#source.logs(id, from === undefined ? options : { ...options, from })) {
        isFound = true;
        yield entry;
      }
      return;
    } catch (error) {
      if (isFound || from === undefined || !isGantryError(error, 'NOT_FOUND')) throw error;
      this.#tell(error, container);
    }
    yield* this.#source.logs(id, options);
  }

  #tell(error: unknown, container: LoggedContainer): void {
    try {
      this.#options.onError(toGantryError(error, `the logger of container ${container.id}`), container);
    } catch (fault) {
      queueMicrotask(() => {
        throw fault;
      });
    }
  }
}
