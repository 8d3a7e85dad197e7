import { isGantryError } from '@gantry/interface';
import { shimGone } from './path-socket.js';
import type { ShimSession } from './session.js';

/**
 * Gives up a launch that was not released; resolves when nothing is left of it. A shim that says why it failed is
 * through by then. One that just hangs up on us has yet to end the first process; its path socket lasts until it has.
 */
export async function hangUp(session: ShimSession, stateDir: string): Promise<void> {
  session.end();
  await session.closed;
  if (!isGantryError(session.failure, 'LAUNCH_FAILED')) await shimGone(stateDir);
}
