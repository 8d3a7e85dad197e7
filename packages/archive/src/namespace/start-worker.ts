import { Worker } from 'node:worker_threads';
import { Helper, NamespaceWorker } from './helper.js';

/** Whether this program is an ordinary user's, whose containers' files belong to users of a user namespace. */
export function isOrdinary(): boolean {
  return process.geteuid?.() !== 0;
}

/**
 * Whether all files of unpacked layers belong to root, as an ordinary user without ranges of ids has no other. Where nothing can be
 * unpacked the addon is not asked for: a program that only pulls need not have it.
 */
export async function squashesOwners(): Promise<boolean> {
  if (process.platform !== 'linux' || !isOrdinary()) return false;
  const { ownIds } = await import('@gantry/native');
  return ownIds().mapper === 'self';
}

/** What is to be known of a worker besides its program. */
export interface WorkerOptions {
  readonly name: string;
  readonly data?: unknown;
  /** The open folder below /proc of a process in whose user namespace it is to be: a descriptor, `memberFolder` to the worker. */
  readonly member?: number | undefined;
  /** Whether it touches no files. */
  readonly inThread?: boolean;
}

/** Where a worker in the user namespace of a process finds that process's folder below /proc. */
export const memberFolder = '/proc/self/fd/4';

let own: Helper | undefined;

/**
 * Starts a worker: in a thread of this process, or, of an ordinary user's program, of one that is the root of a user namespace like
 * its containers'.
 */
export function startWorker(
  url: URL,
  { name, data, member, inThread = false }: WorkerOptions,
): Worker | NamespaceWorker {
  if (member !== undefined) return new NamespaceWorker(new Helper(member), url, data);
  // Loaders and flags of the host program are not for this thread.
  if (inThread || !isOrdinary()) return new Worker(url, { name, execArgv: [], workerData: data });
  if (!own || own.hasEnded) own = new Helper();
  return new NamespaceWorker(own, url, data);
}
