import { setTimeout as delay } from 'node:timers/promises';
import type { ContainerTermination, ExitStatus } from '@gantry/interface';
import { adopt, type Owner } from './owner.js';
import type { StateFolder } from './state-folder.js';

const pollMs = 100;

/**
 * Waits for another host program to finish a container that has ended. Resolves with the termination it wrote, with
 * `adopted` once `self` has become the owner because that program is gone, or with `closed` when the signal fires.
 */
export async function awaitForeignEnd(
  folder: StateFolder,
  self: Owner,
  exit: ExitStatus,
  signal: AbortSignal,
): Promise<ContainerTermination | 'adopted' | 'closed'> {
  try {
    for (;;) {
      const termination = await folder.readTermination();
      if (termination) return termination;
      if ((await adopt(folder.path, self)).instance === self.instance) return 'adopted';
      // The end of another process can only be asked for, not awaited; the time until its clean-up is done is short.
      await delay(pollMs, undefined, { signal });
    }
  } catch {
    if (signal.aborted) return 'closed';
    // Its owner has finished the container and forgotten it before we could read what it wrote.
    return { id: folder.id, exit, destroyed: false, at: Date.now() };
  }
}
