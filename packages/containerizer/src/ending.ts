import { setTimeout as delay } from 'node:timers/promises';
import type { ExitStatus, LaunchedContainer, Launcher } from '@gantry/interface';

const killDeadlineMs = 10_000;
const sigkill = 9;

/**
 * Ends a first process, whether blocked or running, and waits until it is gone. A shim that does not answer is passed
 * over: the process itself is killed by its pidfd.
 */
export async function killAndWait(handle: LaunchedContainer, launcher: Launcher): Promise<ExitStatus> {
  const deadline = new AbortController();
  try {
    const timeOut = delay(killDeadlineMs, undefined, { signal: deadline.signal }).then(() => undefined);
    // Aborting the delay rejects it; by then nobody looks at it.
    timeOut.catch(() => undefined);
    const killed = handle.signal(sigkill, { signal: deadline.signal }).then(
      () => handle.exit,
      () => undefined,
    );
    const exit = await Promise.race([handle.exit, killed, timeOut]);
    if (exit) return exit;
  } finally {
    deadline.abort();
  }
  await launcher.killOrphan(handle.process);
  return { type: 'unknown', reason: 'the shim did not answer and its container was killed', at: Date.now() };
}
