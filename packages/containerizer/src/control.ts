import { type CallOptions, GantryError, type Resources, raceAbort } from '@gantry/interface';
import type { Container } from './container.js';
import type { Lifecycle } from './lifecycle.js';
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

/** Pauses a container and those nested in it. One that is to be paused is so after a restart of the host program, too. */
export async function pause(life: Lifecycle, container: Container, options: CallOptions): Promise<void> {
  if (container.state === 'RUNNING') {
    await life.amend(container, { paused: true });
    try {
      await freeze(life.parts, container, true, options);
    } catch (error) {
      await life.amend(container, { paused: false });
      throw error;
    }
    if (container.state === 'RUNNING') container.enter('PAUSED');
  }
  for (const child of life.childrenOf(container)) if (child.isAlive) await pause(life, child, options);
}

/** Lets a container and those nested in it go on. */
export async function resume(life: Lifecycle, container: Container, options: CallOptions): Promise<void> {
  for (const child of life.childrenOf(container)) if (child.isAlive) await resume(life, child, options);
  if (container.state !== 'PAUSED') return;
  await freeze(life.parts, container, false, options);
  await life.amend(container, { paused: false });
  if (container.state === 'PAUSED') container.enter('RUNNING');
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
