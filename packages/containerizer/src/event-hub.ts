import type {
  CallOptions,
  ContainerizerEvent,
  ContainerizerEvents,
  ContainerState,
  ContainerTermination,
} from '@gantry/interface';
import { EventEmitter } from 'eventemitter3';
import type { Container } from './container.js';
import { EventQueue } from './event-queue.js';

/** Tells listeners, and readers who take their time, what becomes of containers. */
export class EventHub {
  readonly #emitter = new EventEmitter<ContainerizerEvents>();
  readonly #queues = new Set<EventQueue>();

  on<E extends keyof ContainerizerEvents>(event: E, listener: (...args: ContainerizerEvents[E]) => void): void {
    this.#emitter.on(event, listener as never);
  }

  off<E extends keyof ContainerizerEvents>(event: E, listener: (...args: ContainerizerEvents[E]) => void): void {
    this.#emitter.off(event, listener as never);
  }

  queue(options: Pick<CallOptions, 'signal'>): AsyncIterableIterator<ContainerizerEvent> {
    const queue = new EventQueue(options, (ended) => this.#queues.delete(ended));
    this.#queues.add(queue);
    return queue;
  }

  /** A container has come to a new state, the first of which comes from none. */
  readonly onState = (container: Container, from: ContainerState | undefined): void => {
    const event = { id: container.id, ...(from ? { from } : {}), to: container.state };
    for (const queue of this.#queues) queue.push({ type: 'state', ...event });
    this.#emit('state', event);
    const { termination } = container;
    if (container.state === 'DESTROYED' && termination) this.#onEnd(termination);
  };

  /** No more events come: readers get to their end. */
  close(): void {
    for (const queue of this.#queues) queue.end();
  }

  #onEnd(termination: ContainerTermination): void {
    for (const queue of this.#queues) queue.push({ type: 'terminated', termination });
    this.#emit('terminated', termination);
  }

  /** A listener that throws is the host program's own error, and must not stop a container's life half-way. */
  #emit<E extends keyof ContainerizerEvents>(event: E, ...args: ContainerizerEvents[E]): void {
    for (const listener of this.#emitter.listeners(event) as ((...args: ContainerizerEvents[E]) => void)[]) {
      try {
        listener(...args);
      } catch (error) {
        queueMicrotask(() => {
          throw error;
        });
      }
    }
  }
}
