import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { type ContainerId, errnoOf } from '@gantry/interface';

/** Milliseconds that a plugin has to be gone once it was killed. */
const patience = 5000;

/**
 * Ends plugins that still run for a container on behalf of a host program which is gone: found by the parameters in their
 * environment, which what they have started has, too.
 */
export async function endStrays(id: ContainerId): Promise<void> {
  const deadline = performance.now() + patience;
  for (let strays = straysOf(id); strays.length > 0; strays = straysOf(id)) {
    for (const pid of strays) kill(pid);
    if (performance.now() > deadline) throw new Error(`plugins of container ${id} do not end: ${strays.join(', ')}`);
    await sleep(5);
  }
}

function straysOf(id: ContainerId): readonly number[] {
  const wanted = Buffer.from(`\0CNI_CONTAINERID=${id}\0`);
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => pid !== process.pid && hasVariable(pid, wanted));
}

/** False for a process that has ended, whose environment is empty. */
function hasVariable(pid: number, wanted: Buffer): boolean {
  try {
    return Buffer.concat([Buffer.of(0), readFileSync(`/proc/${pid}/environ`)]).includes(wanted);
  } catch (error) {
    if (['ENOENT', 'ESRCH', 'EACCES', 'EPERM'].includes(errnoOf(error) ?? '')) return false;
    throw error;
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if (errnoOf(error) !== 'ESRCH') throw error;
  }
}
