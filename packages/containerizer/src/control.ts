import { type CallOptions, GantryError, type Resources, raceAbort } from '@gantry/interface';
import type { Container } from './container.js';
import type { ContainerizerParts } from './parts.js';

/** Stops every process of a container where it is, or lets them go on. `UNSUPPORTED` if no isolator can. */
export async function freeze(
  parts: ContainerizerParts,
  { id }: Container,
  frozen: boolean,
  options: CallOptions,
): Promise<void> {
  const able = parts.isolators.filter((isolator) => isolator.freeze);
  if (able.length === 0) {
    throw new GantryError('UNSUPPORTED', `container ${id}: no isolator can pause it; add cgroups/freezer`, {
      details: { id },
    });
  }
  for (const isolator of able) await isolator.freeze?.(id, frozen, options);
}

/** Sends a signal to every process of a container. `UNSUPPORTED` if no isolator can. */
export async function signalAll(
  parts: ContainerizerParts,
  { id }: Container,
  signal: number,
  options: CallOptions,
): Promise<void> {
  for (const isolator of parts.isolators) {
    const sent = isolator.signalAll?.(id, signal);
    if (sent && (await raceAbort(sent, options.signal, `signalling container ${id}`))) return;
  }
  throw new GantryError('UNSUPPORTED', `container ${id}: no isolator can signal all its processes; add cgroups/pids`, {
    details: { id },
  });
}

/** Puts limits in place of others; if an isolator does not take them, those before it get the old ones back. */
export async function updateResources(
  parts: ContainerizerParts,
  { id, spec, record }: Container,
  resources: Resources,
  options: CallOptions,
): Promise<void> {
  const before = record?.resources ?? spec.resources ?? {};
  const changed = [];
  try {
    for (const isolator of parts.isolators) {
      if (!isolator.update) continue;
      await isolator.update(id, resources, options);
      changed.unshift(isolator);
    }
  } catch (error) {
    // What the kernel had a moment ago it takes again; that it does not is less than why we are here.
    for (const isolator of changed) await isolator.update?.(id, before).catch(() => undefined);
    throw error;
  }
}
