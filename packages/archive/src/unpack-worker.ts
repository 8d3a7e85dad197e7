/** The thread that unpacks layers and removes trees, so that the host program's event loop is never held. */
import { realpath } from 'node:fs/promises';
import { constants, getPriority, setPriority } from 'node:os';
import { basename, dirname } from 'node:path';
import { parentPort } from 'node:worker_threads';
import { errnoOf, toGantryError } from '@gantry/interface';
import { addon } from '@gantry/native';
import { type UnpackResult, unpackLayer } from './unpack-layer.js';
import { packError, type WorkerRequest, type WorkerResponse } from './worker-messages.js';

/** Milliseconds between two reports. */
const progressInterval = 50;

function respond(response: WorkerResponse): void {
  parentPort?.postMessage(response);
}

/** Passes on a report if the last one is old enough, and always the one that is complete. */
function progressReporter(): (current: number, total: number) => void {
  let last = 0;
  return (current, total) => {
    const now = performance.now();
    if (current < total && now - last < progressInterval) return;
    last = now;
    respond({ type: 'progress', current, total });
  };
}

/** Gone already is as good as removed. */
async function removeTree(path: string): Promise<UnpackResult> {
  try {
    const parent = new (addon().RootDirectory)(await realpath(dirname(path)));
    try {
      parent.remove(Buffer.from(basename(path)));
    } finally {
      parent.close();
    }
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw toGantryError(error, `removing ${path}`);
  }
  return { entries: 0, bytes: 0 };
}

async function serve(request: WorkerRequest): Promise<void> {
  try {
    giveWay(request.type === 'unpack' && request.job.yields);
    const result =
      request.type === 'unpack' ? await unpackLayer(request.job, progressReporter()) : await removeTree(request.path);
    respond({ type: 'done', result });
  } catch (error) {
    respond({ type: 'failed', error: packError(error) });
  }
}

const ownPriority = getPriority();

/**
 * On Linux this is the priority of the calling thread, and of those that it starts, alone: the host program's own work, downloads
 * among it, goes first.
 */
function giveWay(yields: boolean): void {
  const wanted = Math.min(ownPriority + (yields ? 15 : 5), constants.priority.PRIORITY_LOW);
  try {
    if (getPriority() !== wanted) setPriority(wanted);
  } catch (error) {
    // To take back what was given needs CAP_SYS_NICE. Without it the thread is slower where others have work to do, no more.
    // Node's own shape of a system error.
    if ((error as { info?: { code?: unknown } }).info?.code !== 'EACCES') throw error;
  }
}

parentPort?.on('message', (request: WorkerRequest) => void serve(request));
