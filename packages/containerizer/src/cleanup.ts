import {
  type CleanupStep,
  type ContainerId,
  type ContainerTermination,
  type ExitStatus,
  errnoOf,
  type GantryError,
  type Limitation,
  type ProcessIdentity,
} from '@gantry/interface';
import type { Container } from './container.js';
import { untilGone } from './ending.js';
import type { ContainerizerParts } from './parts.js';

/** Why a container ends. */
export interface Ending {
  readonly exit?: ExitStatus;
  readonly failure?: GantryError;
  /** How the first process of a launch that failed was ended. */
  readonly killed?: ExitStatus;
  /** The first process, if its shim is gone and it may not be. */
  readonly orphan?: ProcessIdentity;
}

/** Runs steps one after the other, going on after errors, and keeps what failed. */
class Steps {
  readonly failed: CleanupStep[] = [];

  async run<T>(name: string, step: () => Promise<T> | undefined): Promise<T | undefined> {
    try {
      return await step();
    } catch (error) {
      // Isolators may be anybody's, and throw anything.
      const { message, cause } = error instanceof Error ? error : new Error(String(error));
      const errno = errnoOf(error) ?? errnoOf(cause);
      this.failed.push({ name, ...(errno === undefined ? {} : { errno }), message });
      return undefined;
    }
  }
}

/**
 * Removes all that a container had on the host: isolators in reverse order, the root file system, the lease. Goes on after
 * errors and returns the steps that failed. Idempotent, and needs nothing but the id.
 */
export async function cleanUp(id: ContainerId, parts: ContainerizerParts): Promise<readonly CleanupStep[]> {
  const steps = new Steps();
  await removeAll(id, parts, steps);
  return steps.failed;
}

/**
 * Takes a container whose first process is gone, or never was, to DESTROYED: asks for the reason, cleans up, writes
 * the termination. Never rejects: what fails is kept in the record's `failedSteps`.
 */
export async function finish(container: Container, parts: ContainerizerParts, ending: Ending): Promise<void> {
  if (container.state !== 'DESTROYING') container.enter('DESTROYING');
  const { id, folder, handle } = container;
  const { orphan, failure = container.failure } = ending;
  const steps = new Steps();
  if (orphan) await steps.run('process', () => parts.launcher.killOrphan(orphan));
  const limitation = container.limitation ?? (ending.exit ? await findLimitation(id, parts, steps) : undefined);
  // What is removed, or unmounted on the host, must not be mounted in the container any more.
  const told = ending.exit ?? ending.killed;
  if (handle && told && told.type !== 'unknown') await steps.run('shim', () => untilGone(handle));
  // One that is still being taken would come after its release.
  await container.leasing?.catch(() => undefined);
  if (folder) await removeAll(id, parts, steps);
  if (handle) await steps.run('shim connection', () => Promise.resolve(handle[Symbol.asyncDispose]()));
  const termination: ContainerTermination = {
    id,
    ...(ending.exit ? { exit: ending.exit } : {}),
    ...(failure ? { failure: { code: failure.code, message: failure.message } } : {}),
    ...(limitation ? { limitation } : {}),
    destroyed: container.destroyRequested,
    at: Date.now(),
  };
  container.end(await conclude(container, termination, steps));
}

/** Retries the clean-up of a DESTROYED container whose steps failed before; returns what still fails. */
export async function retryCleanUp(container: Container, parts: ContainerizerParts): Promise<readonly CleanupStep[]> {
  if (container.failedSteps.length === 0) return [];
  const { termination } = container;
  const steps = new Steps();
  await removeAll(container.id, parts, steps);
  if (termination) await conclude(container, termination, steps);
  return container.failedSteps;
}

async function removeAll(id: ContainerId, parts: ContainerizerParts, steps: Steps): Promise<void> {
  for (const isolator of [...parts.isolators].reverse()) {
    await steps.run(`isolator ${isolator.name}`, () => isolator.cleanup?.(id));
  }
  await steps.run('provisioner', () => parts.provisioner.destroy(id));
  await steps.run('volumes', () => parts.volumes.remove(id));
  await steps.run('lease', () => parts.leases.release(id));
}

async function findLimitation(
  id: ContainerId,
  parts: ContainerizerParts,
  steps: Steps,
): Promise<Limitation | undefined> {
  for (const isolator of parts.isolators) {
    const limitation = await steps.run(`limitation ${isolator.name}`, () => isolator.limitation?.(id));
    if (limitation) return limitation;
  }
  return undefined;
}

/**
 * Writes the termination, and before it what failed: a container that has a termination and no failed steps is never cleaned up again.
 * Resolves with the termination that counts.
 */
async function conclude(
  container: Container,
  termination: ContainerTermination,
  steps: Steps,
): Promise<ContainerTermination> {
  const failures = steps.failed.length;
  if (failures > 0) await recordFailures(container, steps);
  if (steps.failed.length > failures) return termination;
  const counted = await steps.run('termination', () => container.folder?.writeTermination(termination));
  if (failures === 0) await recordFailures(container, steps);
  return counted ?? termination;
}

async function recordFailures(container: Container, steps: Steps): Promise<void> {
  const { record } = container;
  if (!record || (steps.failed.length === 0 && record.failedSteps.length === 0)) return;
  await steps.run('record', () => container.amend({ failedSteps: [...steps.failed] }));
  container.record = { ...record, ...container.record, failedSteps: steps.failed };
}
