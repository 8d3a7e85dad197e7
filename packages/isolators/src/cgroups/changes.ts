import { constants } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { type CallOptions, errnoOf, GantryError, throwIfAborted, toGantryError } from '@gantry/interface';
import { refused } from '../errors.js';
import type { CgroupFiles, CgroupSetting, Cgroups, ControllerFormat } from './cgroups.js';
import { checkHeld, isHeld, lineOf, notTaken } from './settings.js';
import { noCgroup, numberIn, readFiles, readIfThere } from './text-files.js';

/** A group in use and who changes it. */
export interface ChangedGroup {
  readonly cgroups: Cgroups;
  readonly id: string;
  readonly path: string;
  readonly isolator: string;
}

/** The settings for `limits` in place of whatever a group holds: what they leave out is as in a new group. */
export function wholeSettings<Limits>(
  format: Pick<ControllerFormat<Limits, unknown>, 'settings' | 'defaults'>,
  limits: Limits,
): CgroupSetting[] {
  const asked = format.settings(limits);
  const files = new Set(asked.map(({ file }) => file));
  return [...format.defaults.filter(({ file }) => !files.has(file)), ...asked];
}

/**
 * Puts settings in place of those of a group in use, all or none: if one is not taken, or the signal fires, what was
 * held before is put back. `REFUSED` as `applySettings`; `NOT_FOUND` if there is no group.
 */
export async function changeSettings(
  group: ChangedGroup,
  settings: readonly CgroupSetting[],
  format: Pick<ControllerFormat<never, unknown>, 'transition'> = {},
  options: CallOptions = {},
): Promise<void> {
  const before = await heldBy(group, settings);
  if (before.size === 0) throw noCgroup(group.id, group.path);
  try {
    await bring(group, settings, before, format, options);
  } catch (error) {
    const kept = settings.flatMap((setting) => keptSetting(setting, before.get(setting.file)));
    await putBack(group, kept, format, error);
    throw error;
  }
}

/** What puts back what a file held before a setting was written. */
function keptSetting({ file, paged, list }: CgroupSetting, before: string | undefined): CgroupSetting[] {
  if (before === undefined) return [];
  if (list) {
    const line = lineOf(before, list.key);
    return [{ file, value: line === '' ? list.clear : line, list: { ...list, line } }];
  }
  // An empty list is written as an empty line: nothing at all would not be written.
  return [{ file, value: before.trim() || '\n', ...(paged ? { paged } : {}) }];
}

const heldBy = ({ cgroups, path }: ChangedGroup, settings: readonly CgroupSetting[]) =>
  readFiles(
    cgroups,
    path,
    settings.map(({ file }) => file),
  );

/** Writes what differs from `held`, in the order that the kernel wants. */
async function bring(
  group: ChangedGroup,
  settings: readonly CgroupSetting[],
  held: CgroupFiles,
  format: Pick<ControllerFormat<never, unknown>, 'transition'>,
  { signal }: CallOptions,
): Promise<void> {
  const different = settings.filter((setting) => {
    const content = held.get(setting.file)?.trim();
    return setting.list ? !isHeld(setting, content ?? '') : content !== setting.value.trim();
  });
  for (const setting of format.transition?.(different, held) ?? different) {
    throwIfAborted(signal, `${group.isolator}: changing the limits of container ${group.id}`);
    await writeSetting(group, setting);
  }
}

/** What was changed goes back to what it was; that it cannot is told along with the failure that made it necessary. */
async function putBack(
  group: ChangedGroup,
  kept: readonly CgroupSetting[],
  format: Pick<ControllerFormat<never, unknown>, 'transition'>,
  failure: unknown,
): Promise<void> {
  try {
    await bring(group, kept, await heldBy(group, kept), format, {});
  } catch (error) {
    const { message } = toGantryError(failure, group.isolator);
    const reason = toGantryError(error, group.isolator).message;
    throw new GantryError('SYSTEM', `${message}; and what was changed before could not be put back: ${reason}`, {
      cause: failure,
      details: { isolator: group.isolator, path: group.path },
    });
  }
}

async function writeSetting({ cgroups, path, isolator }: ChangedGroup, setting: CgroupSetting): Promise<void> {
  const file = cgroups.file(path, setting.file);
  try {
    // Neither created nor truncated: the file is the kernel's, or the setting does not exist.
    await writeFile(file, setting.value, { flag: constants.O_WRONLY });
  } catch (cause) {
    if (errnoOf(cause) === 'ENOENT' && setting.optional) return;
    throw notTaken(file, setting, isolator, cause);
  }
  checkHeld(file, setting, (await readIfThere(file))?.trim() ?? '', isolator);
  if (setting.covers === undefined) return;
  const used = numberIn(await readFiles(cgroups, path, [setting.covers]), setting.covers) ?? 0;
  if (used > Number(setting.value)) {
    throw refused(
      isolator,
      `a limit of ${setting.value} bytes is below the ${used} in use, of which the kernel could reclaim no more`,
      'ask for more, or have the container give some up first',
      { details: { path: file, errno: 'EBUSY' } },
    );
  }
}
