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
 * Runs a program as the root of a user namespace: of a new one with the user's own ids, in a mount namespace of its own, or
 * of the one that the process `join` is in. `REFUSED` if there can be none.
 */
export async function runInUserNamespace(
  command: readonly [program: string, ...args: string[]],
  join = 0,
): Promise<UserNamespaceProgram> {
  const child = spawn(shimPath, ['in-user-namespace', String(join), ...command], {
    stdio: ['ignore', 'ignore', 'ignore', 'pipe'],
    env: { PATH: process.env['PATH'] ?? '' },
  });
  const socket = child.stdio[3] as Duplex;
  // Its end tells.
  socket.on('error', () => undefined);
  try {
    await spawned(child);
    if (join === 0) {
      await answer(socket);
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

/** Resolves when the namespace is there. */
async function answer(socket: Duplex): Promise<void> {
  const told = await new Promise<string>((resolve) => {
    socket.once('readable', () => resolve(String(socket.read() ?? '')));
    socket.once('close', () => resolve(''));
  });
  if (told === 'U') return;
  const [errno = 'an unknown error'] = getSystemErrorMap().get(-Number(told.slice(1))) ?? [];
  const { problem, remedy } = explainUserNamespace(errno);
  throw new GantryError('REFUSED', `namespaces/user: ${problem}; ${remedy}`, {
    details: { isolator: 'namespaces/user', errno },
  });
}

async function writeIds(pid: number): Promise<void> {
  const ids = ownIds();
  if (ids.mapper === 'helpers') return writeIdsWithHelpers(pid, ids);
  writeFileSync(`/proc/${pid}/setgroups`, 'deny');
  writeFileSync(`/proc/${pid}/gid_map`, mapText(ids.gids));
  writeFileSync(`/proc/${pid}/uid_map`, mapText(ids.uids));
}
