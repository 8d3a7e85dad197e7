import { createHash, randomBytes } from 'node:crypto';
import { lstat, readFile, readlink } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { errnoOf } from '@gantry/interface';
import { namesIn } from './folder-names.js';

/** No write or unpack leaves its file or folder untouched for this long. */
const abandonedAfterMs = 24 * 60 * 60 * 1000;

const pattern = /^(?<realm>[0-9a-f]{12})-(?<pid>[1-9][0-9]{0,9})-(?<startTime>[0-9]{1,20})-[0-9a-f]{16}$/;

/**
 * A unique name for something unfinished, from which every process can tell whether its maker still lives:
 * `<realm>-<pid>-<start time>-<number>`. A realm is where a pid means one process: a boot of a machine and a pid namespace.
 */
export async function ownedName(): Promise<string> {
  owner ??= describeOwner();
  // Random bytes for each would cost more than the file that has the name.
  next = BigInt.asUintN(64, next + 1n);
  const own = next.toString(16).padStart(16, '0');
  return `${await owner}-${own}`;
}

/** Begun at random, for this module may be loaded more than once. */
let next = randomBytes(8).readBigUInt64BE();

/**
 * Removes what dead processes left unfinished in a folder of {@link ownedName}s. What a process of this realm made is
 * left over once that process is gone. Of another realm nothing can be known (it may be a container that shares the
 * folder), so only age counts there; likewise where the system tells no start times and a pid may be another's now.
 */
export async function sweepAbandoned(folder: string, remove: (path: string) => Promise<void>): Promise<void> {
  for (const name of await namesIn(folder)) {
    try {
      if (await isAbandoned(folder, name)) await remove(join(folder, name));
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') continue;
      // A leftover costs space and nothing else: it must not fail the pull that came across it.
      process.emitWarning(error instanceof Error ? error : String(error), { code: 'GANTRY_LEFTOVER' });
    }
  }
}

/** Whether the maker of an {@link ownedName} is gone for sure, or nothing is known of it and its file is old. */
export async function isAbandoned(folder: string, name: string): Promise<boolean> {
  const maker = pattern.exec(name)?.groups;
  if (maker?.['realm'] === (await ownRealm())) {
    const pid = Number(maker['pid']);
    if (!isAlive(pid)) return true;
    const startTime = await startTimeOf(pid);
    if (startTime !== '0') return startTime !== maker['startTime'];
  }
  const { mtimeMs } = await lstat(join(folder, name));
  return Date.now() - mtimeMs > abandonedAfterMs;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return errnoOf(error) !== 'ESRCH';
  }
}

let owner: Promise<string> | undefined;

async function describeOwner(): Promise<string> {
  return `${await ownRealm()}-${process.pid}-${await startTimeOf(process.pid)}`;
}

let realm: Promise<string> | undefined;

function ownRealm(): Promise<string> {
  realm ??= describeRealm().then((text) => createHash('sha256').update(text).digest('hex').slice(0, 12));
  return realm;
}

async function describeRealm(): Promise<string> {
  if (process.platform !== 'linux') return `${process.platform} ${hostname()}`;
  return `${await bootId()} ${await readlink('/proc/self/ns/pid')}`;
}

/** Identifies this boot of this machine. Linux only. */
export async function bootId(): Promise<string> {
  return (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim();
}

/** Field 22 of `/proc/<pid>/stat`; `0` where there is no such file, `ended` for a process that waits only to be reaped. */
async function startTimeOf(pid: number): Promise<string> {
  if (process.platform !== 'linux') return '0';
  try {
    const stat = await readFile(`/proc/${pid}/stat`, 'latin1');
    // The second field is the command in parentheses and may hold anything, so count from behind it: field 3 follows.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' || fields[0] === 'X' ? 'ended' : (fields[19] ?? '0');
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === 'ENOENT' || errno === 'ESRCH') return '0';
    throw error;
  }
}
