import { accessSync, constants } from 'node:fs';
import { lstat, stat } from 'node:fs/promises';
import { errnoOf } from '@gantry/interface';
import { deviceNumbers } from '../linux/device-numbers.js';
import type { OwnedEdits } from './cdi-registry.js';

/** A node as the host has it. */
export interface HostNode {
  readonly type: 'c' | 'b' | 'p';
  readonly major: number;
  readonly minor: number;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}

/** What edits have to know of the host, looked up before they are made of it. Of what is absent, the errno. */
export interface HostLook {
  readonly nodes: ReadonlyMap<string, HostNode | string>;
  /** Sources of binds that are not there. */
  readonly missing: ReadonlyMap<string, string>;
  /** Programs that cannot be run. */
  readonly unusable: ReadonlyMap<string, string>;
}

/** Looks up all that edits refer to. Reads, and changes nothing. */
export async function lookAtHost(all: readonly OwnedEdits[]): Promise<HostLook> {
  const nodes = new Map<string, HostNode | string>();
  const missing = new Map<string, string>();
  const unusable = new Map<string, string>();
  for (const { edits } of all) {
    for (const { path, hostPath } of edits.deviceNodes ?? [])
      nodes.set(hostPath ?? path, await nodeAt(hostPath ?? path));
    for (const { hostPath } of edits.mounts ?? []) {
      const errno = hostPath.startsWith('/') ? await errnoAt(hostPath) : undefined;
      if (errno !== undefined) missing.set(hostPath, errno);
    }
    for (const { path } of edits.hooks ?? []) {
      const errno = executeErrno(path);
      if (errno !== undefined) unusable.set(path, errno);
    }
  }
  return { nodes, missing, unusable };
}

/** What is no device and no pipe is ENODEV. */
async function nodeAt(path: string): Promise<HostNode | string> {
  try {
    const stats = await lstat(path);
    const type = stats.isCharacterDevice() ? 'c' : stats.isBlockDevice() ? 'b' : stats.isFIFO() ? 'p' : undefined;
    if (type === undefined) return 'ENODEV';
    const { rdev, mode, uid, gid } = stats;
    return { type, ...deviceNumbers(rdev), mode: mode & 0o7777, uid, gid };
  } catch (error) {
    return errnoName(error);
  }
}

async function errnoAt(path: string): Promise<string | undefined> {
  try {
    await stat(path);
    return undefined;
  } catch (error) {
    return errnoName(error);
  }
}

function executeErrno(path: string): string | undefined {
  try {
    accessSync(path, constants.X_OK);
    return undefined;
  } catch (error) {
    return errnoName(error);
  }
}

function errnoName(error: unknown): string {
  const errno = errnoOf(error);
  if (errno === undefined) throw error;
  return errno;
}
