import type { Isolator, LaunchRequest, PrepareContext, SpareGroups } from '@gantry/interface';
import { isProcessAlive, type Owner } from './owner.js';
import type { ContainerizerParts } from './parts.js';

let made = 0;

/**
 * Makes the control groups of a container like the one of `like` to come, with an id that no container can have, by which recovery knows
 * whose they are. Undefined where an isolator cannot do so ahead, or has groups with names of its own.
 */
export async function makeSpareGroups(
  { isolators, cgroupParent }: Pick<ContainerizerParts, 'isolators' | 'cgroupParent'>,
  { pid, startTime }: Owner,
  like: PrepareContext,
  { cgroups }: LaunchRequest,
): Promise<SpareGroups | undefined> {
  made += 1;
  const id = `.spare-${pid}-${startTime}-${made}`;
  const path = `${cgroupParent}/${id}`;
  if (!cgroups.every((folder) => folder.endsWith(like.cgroupPath))) return undefined;
  const folders = cgroups.map((folder) => folder.slice(0, -like.cgroupPath.length) + path);
  const groups: SpareGroups = {
    path,
    folders,
    [Symbol.asyncDispose]: () => removeSpareGroups(id, isolators),
  };
  const context = { ...like, id, cgroupPath: path };
  for (const isolator of isolators) {
    if (!hasGroups(isolator, like) || (await isolator.prepareAhead?.(context))) continue;
    await groups[Symbol.asyncDispose]();
    return undefined;
  }
  return groups;
}

/** Removes those of host programs that are gone. */
export async function removeDeadSpares(isolators: readonly Isolator[]): Promise<void> {
  const ids = new Set<string>();
  for (const isolator of isolators) {
    if (isolator.prepareAhead && isolator.list) for await (const id of isolator.list()) ids.add(id);
  }
  for (const id of ids) {
    const maker = makerOf(id);
    if (maker && !isProcessAlive(maker.pid, maker.startTime)) await removeSpareGroups(id, isolators);
  }
}

async function removeSpareGroups(id: string, isolators: readonly Isolator[]): Promise<void> {
  await Promise.all(isolators.map((isolator) => isolator.prepareAhead && isolator.cleanup?.(id)));
}

/** Whether `prepare` has control groups to make. */
export function hasGroups(isolator: Isolator, context: PrepareContext): boolean {
  return isolator.prepare !== undefined && isolator.prepares?.(context) === 'groups';
}

/** Whether something was made for a container to come, by its id. */
export function isSpare(id: string): boolean {
  return makerOf(id) !== undefined;
}

function makerOf(id: string): Pick<Owner, 'pid' | 'startTime'> | undefined {
  const [, pid, startTime] = /^\.spare-(\d+)-(\d+)-\d+$/.exec(id) ?? [];
  return pid === undefined ? undefined : { pid: Number(pid), startTime: Number(startTime) };
}
