import { Socket } from 'node:net';
import {
  abortedError,
  type CallOptions,
  type ContainerId,
  GantryError,
  type LaunchedContainer,
  type LaunchRequest,
  throwIfAborted,
  toGantryError,
} from '@gantry/interface';
import { addon } from '@gantry/native';
import { compilePlan } from '../compile/plan.js';
import { encodeFrame } from '../protocol.generated.js';
import { ShimContainer } from './container.js';
import { shimExecutable } from './executable.js';
import { hangUp } from './hang-up.js';
import { ShimSession } from './session.js';
import { checkVersion } from './version.js';

/** How the shim keeps the log of a container. */
export interface LogLimits {
  /** Bytes after which a log file is rotated. */
  readonly maxBytes: number;
  /** Files kept, the current one included. */
  readonly maxFiles: number;
}

/** Starts a shim, has it perform the plan of the request up to its barrier, and hands over the connection. */
export async function launchContainer(
  request: LaunchRequest,
  log: LogLimits,
  { signal }: CallOptions,
): Promise<LaunchedContainer> {
  const { id, stateDir } = request;
  const what = `launching container ${id}`;
  throwIfAborted(signal, what);
  const { version, cloneFlags, cgroup, steps } = compilePlan(request);
  const limits = { logMaxBytes: log.maxBytes, logMaxFiles: log.maxFiles };
  const frame = encodeFrame({
    op: 'launch',
    version,
    stateDir: checkedFolder(stateDir),
    cloneFlags,
    cgroup,
    ...limits,
    steps,
  });
  const session = new ShimSession(id, await spawnShim(id, what));
  const abort = () => session.end();
  signal?.addEventListener('abort', abort, { once: true });
  try {
    if (signal?.aborted) abort();
    else session.write(frame);
    const hello = await session.hello;
    if (signal?.aborted) await session.closed;
    throwIfAborted(signal, what);
    checkVersion(hello, id);
    return new ShimContainer({ id, stateDir, launcher: true }, session, hello);
  } catch (error) {
    await hangUp(session, stateDir);
    throw signal?.aborted ? abortedError(signal, what) : error;
  } finally {
    signal?.removeEventListener('abort', abort);
  }
}

async function spawnShim(id: ContainerId, what: string): Promise<Socket> {
  const executable = await shimExecutable();
  try {
    const fd = await addon().spawn(executable, ['gantry-shim', id]);
    return new Socket({ fd, readable: true, writable: true });
  } catch (error) {
    throw toGantryError(error, `${what}: starting the shim`);
  }
}

function checkedFolder(stateDir: string): string {
  if (stateDir.startsWith('/')) return stateDir;
  throw new GantryError('INVALID_ARGUMENT', `the state folder ${JSON.stringify(stateDir)} is not an absolute path`, {
    details: { field: 'stateDir' },
  });
}
