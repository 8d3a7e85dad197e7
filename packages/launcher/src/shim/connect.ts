import {
  abortedError,
  type CallOptions,
  type ContainerId,
  isGantryError,
  type LaunchedContainer,
  throwIfAborted,
} from '@gantry/interface';
import { ShimContainer } from './container.js';
import { OtherReleaseContainer } from './other-release.js';
import { openPathSocket } from './path-socket.js';
import { ShimSession } from './session.js';
import { versionRefusal } from './version.js';

/**
 * Connects to the shim in a state folder; undefined if there is none, or it is just ending. One of another protocol version
 * is only watched.
 */
export async function connectContainer(
  id: ContainerId,
  stateDir: string,
  { signal }: CallOptions,
): Promise<LaunchedContainer | undefined> {
  const what = `connecting to container ${id}`;
  throwIfAborted(signal, what);
  const socket = await openPathSocket(stateDir);
  if (!socket) return undefined;
  const session = new ShimSession(id, socket);
  const abort = () => session.destroy();
  signal?.addEventListener('abort', abort, { once: true });
  try {
    if (signal?.aborted) abort();
    const hello = await session.hello;
    throwIfAborted(signal, what);
    const refusal = versionRefusal(hello, id);
    if (refusal) return new OtherReleaseContainer({ id, stateDir }, session, hello, refusal);
    return new ShimContainer({ id, stateDir, launcher: false }, session, hello);
  } catch (error) {
    session.destroy();
    if (signal?.aborted) throw abortedError(signal, what);
    if (isGantryError(error, 'SHIM_LOST') && (await isGone(stateDir))) return undefined;
    throw error;
  } finally {
    signal?.removeEventListener('abort', abort);
  }
}

/** Whether a connection that the shim closed was closed because the shim ended, not because it has too many. */
async function isGone(stateDir: string): Promise<boolean> {
  const socket = await openPathSocket(stateDir);
  socket?.destroy();
  return socket === undefined;
}
