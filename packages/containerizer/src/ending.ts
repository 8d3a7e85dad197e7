import { setTimeout as delay } from 'node:timers/promises';
import { type ExitStatus, GantryError, type LaunchedContainer, type Launcher } from '@gantry/interface';

const killDeadlineMs = 10_000;
const goneDeadlineMs = 10_000;
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

/** Waits until a shim that has told the end of its container is gone. `TIMEOUT` if it stays for 10 s, since somebody has stopped it. */
export async function untilGone({ id, gone, shimPid }: LaunchedContainer): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      const what = `container ${id}: its shim, process ${shimPid}, has told its end and does not end itself`;
      reject(new GantryError('TIMEOUT', `${what}: end it`, { details: { id, shimPid } }));
    }, goneDeadlineMs);
  });
  try {
    await Promise.race([gone, late]);
  } finally {
    clearTimeout(timer);
  }
}
