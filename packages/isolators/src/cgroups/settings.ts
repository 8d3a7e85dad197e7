import { closeSync, openSync, readSync, writeSync } from 'node:fs';
import { errnoOf, type GantryError } from '@gantry/interface';
import { refused } from '../errors.js';
import type { CgroupSetting, Cgroups } from './cgroups.js';
import { unlimitedFrom } from './text-files.js';

/** Bytes; more than the limits on a machine's devices take. */
const largestFile = 4096;

/** The largest page of any machine that Linux runs on; values are rounded by less. */
const largestPage = 65_536;

/**
 * Writes settings into a new control group and reads each back. `REFUSED` if the kernel does not have the file, does
 * not take the value, or takes another.
 *
 * Synchronous on purpose: these files live in memory, and in a group without processes and charges nothing has to be
 * reclaimed or waited for, so a write takes microseconds, where the thread pool would take ten times as long. A group
 * in use must never be written like this, but with `changeSettings`: lowering its memory limit can block for seconds.
 */
export function applySettings(
  cgroups: Cgroups,
  path: string,
  settings: readonly CgroupSetting[],
  isolator: string,
): void {
  for (const setting of settings) applySetting(cgroups.file(path, setting.file), setting, isolator);
}

function applySetting(file: string, setting: CgroupSetting, isolator: string): void {
  let held: string;
  try {
    held = writeAndRead(file, setting.value);
  } catch (cause) {
    if (errnoOf(cause) === 'ENOENT' && setting.optional) return;
    throw notTaken(file, setting, isolator, cause);
  }
  checkHeld(file, setting, held, isolator);
}

const remedies: ReadonlyMap<string, string> = new Map([
  ['ENOENT', 'use a kernel that has this setting, or leave the limit out'],
  ['EBUSY', 'more is in use than that: ask for more, or have the container give some up first'],
]);

/** The `REFUSED` error for a setting that the kernel did not take. */
export function notTaken(file: string, setting: CgroupSetting, isolator: string, cause: unknown): GantryError {
  const errno = errnoOf(cause);
  return refused(
    isolator,
    `${setting.file} could not be set to ${setting.value} (${errno ?? String(cause)})`,
    remedies.get(errno ?? '') ?? 'ask for a value that the kernel and the parent control group allow',
    { cause, details: { path: file, errno } },
  );
}

/** `REFUSED` if the kernel made something else of a setting. */
export function checkHeld(file: string, setting: CgroupSetting, held: string, isolator: string): void {
  if (isHeld(setting, held)) return;
  throw refused(
    isolator,
    `${setting.file} was set to ${setting.value} but holds ${held}`,
    'ask for a value that the kernel takes as it is',
    { details: { path: file } },
  );
}

function writeAndRead(file: string, value: string): string {
  // Neither created nor truncated: the file is the kernel's, or the setting does not exist.
  const fd = openSync(file, 'r+');
  try {
    writeSync(fd, value);
    const buffer = Buffer.alloc(largestFile);
    return buffer.toString('latin1', 0, readSync(fd, buffer, 0, buffer.length, 0)).trim();
  } finally {
    closeSync(fd);
  }
}

/** Whether a file with this content holds the setting, page rounding aside. */
export function isHeld({ value, paged, list }: CgroupSetting, held: string): boolean {
  if (list) return lineOf(held, list.key) === list.line;
  if (held === value.trim()) return true;
  if (value === '-1' && Number(held) >= unlimitedFrom) return true;
  const lost = Number(value) - Number(held);
  return paged === true && lost >= 0 && lost < largestPage;
}

/** The line for a key, its first word; empty if there is none. */
export function lineOf(content: string, key: string): string {
  return content.split('\n').find((line) => line.startsWith(`${key} `)) ?? '';
}
