import {
  type ContainerId,
  GantryError,
  type LaunchedContainer,
  type MemoryEvent,
  type MemoryEventsOptions,
} from '@gantry/interface';
import type { ContainerizerParts } from './parts.js';

/** Fire when the containers that somebody has followed have ended: one each, however often. */
const ends = new WeakMap<LaunchedContainer, AbortSignal>();

/**
 * The memory events of the control group that a container is in, which is `owner`'s, until the container ends or the
 * containerizer closes. `UNSUPPORTED` if no isolator tells any.
 */
export function followMemory(
  { isolators }: Pick<ContainerizerParts, 'isolators'>,
  { owner, handle, closing }: { owner: ContainerId; handle: LaunchedContainer; closing: AbortSignal },
  options: MemoryEventsOptions,
): AsyncIterableIterator<MemoryEvent> {
  const ended = AbortSignal.any([endOf(handle), closing]);
  const events = isolators.find((isolator) => isolator.memoryEvents)?.memoryEvents?.(owner, { ...options, ended });
  if (events) return events;
  throw new GantryError('UNSUPPORTED', `container ${owner}: no isolator follows its memory; add cgroups/mem`, {
    details: { id: owner },
  });
}

function endOf(handle: LaunchedContainer): AbortSignal {
  const known = ends.get(handle);
  if (known) return known;
  const over = new AbortController();
  ends.set(handle, over.signal);
  void handle.exit.then(() => over.abort());
  return over.signal;
}
