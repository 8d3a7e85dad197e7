import { GantryError, type Isolator, type Limitation, toGantryError } from '@gantry/interface';
import type { Container } from './container.js';
import type { ContainerizerParts } from './parts.js';

/** What ending a container for its limits takes. */
export interface LimitedLife {
  readonly parts: Pick<ContainerizerParts, 'isolators'>;
  readonly closing: AbortController;
  end(container: Container): Promise<unknown>;
}

/** Nobody is told it: made once, since a reason of its own for every container costs more than the watching. */
const ended = new GantryError('ABORTED', 'the container has ended');

/**
 * Has the isolators watch a running container until it ends or the containerizer closes, and ends it for the first limit
 * that one names, or if one can no longer keep its own. Never rejects.
 */
export async function watchLimits(life: LimitedLife, container: Container): Promise<void> {
  // A host program died between the decision and the end.
  if (container.limitation) return end(life, container);
  const watchers = life.parts.isolators.filter((isolator) => isolator.watch);
  if (watchers.length === 0) return;
  const over = new AbortController();
  const signal = AbortSignal.any([over.signal, life.closing.signal]);
  void container.handle?.exit.then(() => over.abort(ended));
  await Promise.all(watchers.map((isolator) => watchOne(life, container, isolator, signal)));
}

async function watchOne(
  life: LimitedLife,
  container: Container,
  isolator: Isolator,
  signal: AbortSignal,
): Promise<void> {
  let limitation: Limitation | undefined;
  try {
    limitation = await isolator.watch?.(container.id, { signal });
    if (!limitation || !mayEnd(container, signal)) return;
    container.limitation = limitation;
    // So that the next host program gives the same reason if this one dies now. Without it the end comes all the same.
    await container.amend({ limitation }).catch(() => undefined);
  } catch (error) {
    if (!mayEnd(container, signal)) return;
    container.failure = toGantryError(error, `container ${container.id}: isolator ${isolator.name} cannot watch it`);
  }
  await end(life, container);
}

/** Whether it runs, and nobody has asked for its end. */
function mayEnd(container: Container, signal: AbortSignal): boolean {
  return !signal.aborted && container.isAlive && !container.isEnding;
}

/** What fails is for the next `destroy` to tell. */
async function end(life: LimitedLife, container: Container): Promise<void> {
  await life.end(container).catch(() => undefined);
}
