import { type ChildProcess, spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import type { Duplex } from 'node:stream';
import { getSystemErrorMap } from 'node:util';
import { GantryError } from '@gantry/interface';
import { shimPath } from '../shim.js';
import { explainUserNamespace } from './obstacles.js';
import { ownIds } from './own-ids.js';
import { mapText, writeIdsWithHelpers } from './write-ids.js';

/** A program that runs as the root of a user namespace, and a socket to it, its descriptor 3. */
export interface UserNamespaceProgram {
  readonly child: ChildProcess;
  readonly socket: Duplex;
}

/**
 * Runs a program as the root of a user namespace: of a new one with the user's own ids, in a mount namespace of its own; or of
 * the one that a process is in, whose folder below /proc is open as the descriptor `member`. The program has that as its descriptor 4,
 * which leads to no later process of the same id. `REFUSED` if there can be no namespace, `WRONG_STATE` if the process has ended.
 */
export async function runInUserNamespace(
  command: readonly [program: string, ...args: string[]],
  member?: number,
): Promise<UserNamespaceProgram> {
  const joins = member !== undefined;
  const child = spawn(shimPath, ['in-user-namespace', joins ? 'join' : 'new', ...command], {
    stdio: ['ignore', 'ignore', 'ignore', 'pipe', ...(joins ? [member] : [])],
    env: { PATH: process.env['PATH'] ?? '' },
  });
  // Before that it may have no streams: Node.js makes none where it is out of descriptors.
  await spawned(child);
  const socket = child.stdio[3] as Duplex;
  // Its end tells.
  socket.on('error', () => undefined);
  try {
    const errno = await answer(socket);
    if (errno !== undefined) throw joins ? notJoined(errno) : notMade(errno);
    if (!joins) {
      await writeIds(child.pid ?? 0);
      socket.write('M');
    }
    return { child, socket };
  } catch (error) {
    child.kill('SIGKILL');
    socket.destroy();
    throw error;
  }
}

function spawned(child: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    child.once('spawn', resolve).once('error', (cause) => {
      reject(new GantryError('SYSTEM', `starting ${shimPath}: ${cause.message}`, { cause }));
    });
  });
}

/** Resolves when the shim is in the namespace, or with the errno for which it is not. */
async function answer(socket: Duplex): Promise<string | undefined> {
  await new Promise<void>((resolve) => {
    socket.once('readable', resolve);
    socket.once('close', resolve);
  });
  // The program may have written by now.
  if (String(socket.read(1)) === 'U') return undefined;
  const [errno = 'an unknown error'] = getSystemErrorMap().get(-Number(socket.read())) ?? [];
  return errno;
}

function notMade(errno: string): GantryError {
  const { problem, remedy } = explainUserNamespace(errno);
  return new GantryError('REFUSED', `namespaces/user: ${problem}; ${remedy}`, {
    details: { isolator: 'namespaces/user', errno },
  });
}

function notJoined(errno: string): GantryError {
  const hasEnded = errno === 'ESRCH' || errno === 'ENOENT';
  return new GantryError(
    hasEnded ? 'WRONG_STATE' : 'SYSTEM',
    `joining the user namespace of a process: ${hasEnded ? 'it has ended' : errno}`,
    { details: { errno } },
  );
}

async function writeIds(pid: number): Promise<void> {
  const ids = ownIds();
  if (ids.mapper === 'helpers') return writeIdsWithHelpers(pid, ids);
  writeFileSync(`/proc/${pid}/setgroups`, 'deny');
  writeFileSync(`/proc/${pid}/gid_map`, mapText(ids.gids));
  writeFileSync(`/proc/${pid}/uid_map`, mapText(ids.uids));
}
