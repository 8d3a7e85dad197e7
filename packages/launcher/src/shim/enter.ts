import { readFileSync } from 'node:fs';
import { Socket } from 'node:net';
import {
  abortedError,
  type CallOptions,
  type ContainerId,
  type EnteredProcess,
  errnoOf,
  GantryError,
  type LaunchRequest,
  type LaunchSecrets,
  throwIfAborted,
  toGantryError,
} from '@gantry/interface';
import { addon } from '@gantry/native';
import { compileEnter } from '../compile/enter.js';
import { noSecrets } from '../compile/inputs.js';
import { type EnterMessage, encodeFrame } from '../protocol.generated.js';
import { ShimEnteredProcess } from './entered-process.js';
import { openPathDescriptor } from './path-socket.js';
import { ShimSession } from './session.js';
import { StreamPipes } from './stream-pipes.js';
import { checkVersion } from './version.js';

/** See `LaunchedContainer.enter`. `pid` is the container's first process. */
export async function enterContainer(
  request: LaunchRequest,
  pid: number,
  { signal, secrets }: CallOptions & { readonly secrets?: LaunchSecrets } = {},
): Promise<EnteredProcess> {
  const { id } = request;
  const what = `starting ${request.config.process.args[0] ?? 'a process'} in container ${id}`;
  throwIfAborted(signal, what);
  return startEntered(
    request,
    compileEnter(request, { pid, oomScoreAdj: oomScoreAdjOf(pid, id) }, secrets ?? noSecrets),
    what,
    signal,
  );
}

/** Has the shim start the process of a message in its container; resolves once that runs. */
export async function startEntered(
  { id, stateDir }: Pick<LaunchRequest, 'id' | 'stateDir'>,
  message: EnterMessage,
  what: string,
  signal: AbortSignal | undefined,
): Promise<EnteredProcess> {
  const frame = encodeFrame(message);
  const socket = await openPathDescriptor(stateDir);
  if (socket === undefined) throw ended(id);
  let pipes: StreamPipes | undefined;
  let session: ShimSession;
  try {
    pipes = new StreamPipes();
    const sent = addon().sendDescriptors(socket, frame, pipes.theirs);
    session = new ShimSession(id, new Socket({ fd: socket, readable: true, writable: true }));
    if (sent < frame.length) session.write(frame.subarray(sent));
  } catch (error) {
    addon().closeFd(socket);
    pipes?.close();
    throw toGantryError(error, what);
  }
  pipes.closeTheirs();
  const abort = () => session.destroy();
  signal?.addEventListener('abort', abort, { once: true });
  try {
    if (signal?.aborted) abort();
    checkVersion(await session.hello, id);
    await session.started;
    return new ShimEnteredProcess(id, session, pipes.streams());
  } catch (error) {
    session.destroy();
    pipes.close();
    throw signal?.aborted ? abortedError(signal, what) : error;
  } finally {
    signal?.removeEventListener('abort', abort);
  }
}

/** How ready the kernel is to end the first process when memory runs out; so is it for those beside it. */
function oomScoreAdjOf(pid: number, id: ContainerId): number {
  try {
    return Number(readFileSync(`/proc/${pid}/oom_score_adj`, 'latin1'));
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === 'ENOENT' || errno === 'ESRCH') throw ended(id, error);
    throw toGantryError(error, `container ${id}: oom_score_adj of process ${pid}`);
  }
}

function ended(id: ContainerId, cause?: unknown): GantryError {
  return new GantryError('WRONG_STATE', `container ${id} has ended`, { cause, details: { id } });
}
