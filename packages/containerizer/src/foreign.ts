import { setTimeout as delay } from 'node:timers/promises';
import type { ContainerTermination } from '@gantry/interface';
import { adopt, type Owner } from './owner.js';
import type { StateFolder } from './state-folder.js';

const pollMs = 100;

/**
 * Waits for another host program to finish a container that has ended. Resolves with the termination it wrote, or
 * with undefined once `self` has become the owner because that program is gone.
 */
export async function awaitForeignEnd(
  folder: StateFolder,
  self: Owner,
  signal: AbortSignal,
): Promise<ContainerTermination | undefined> {
  for (;;) {
    const termination = await folder.readTermination();
    if (termination) return termination;
    // The end of another process can only be asked for, not awaited; the time until its clean-up is done is short.
    if ((await adopt(folder.path, self)).instance === self.instance) return undefined;
    await delay(pollMs, undefined, { signal });
  }
}
