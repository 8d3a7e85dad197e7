import { randomUUID } from 'node:crypto';
import type { Isolator, LaunchRequest, PrepareContext, SpareGroups } from '@gantry/interface';
import type { ContainerizerParts } from './parts.js';

/**
 * Makes the control groups of a container like the one of `like` to come, with a made-up id, which recovery takes for that of a container
 * that nobody knows. Undefined where an isolator cannot do so ahead, or has groups with names of its own.
 */
export async function makeSpareGroups(
  { isolators, cgroupParent }: Pick<ContainerizerParts, 'isolators' | 'cgroupParent'>,
  like: PrepareContext,
  { cgroups }: LaunchRequest,
): Promise<SpareGroups | undefined> {
  const id = randomUUID();
  const path = `${cgroupParent}/${id}`;
  if (!cgroups.every((folder) => folder.endsWith(like.cgroupPath))) return undefined;
  const folders = cgroups.map((folder) => folder.slice(0, -like.cgroupPath.length) + path);
  const makers = isolators.filter((isolator) => hasGroups(isolator, like));
  const groups: SpareGroups = {
    path,
    folders,
    async [Symbol.asyncDispose]() {
      await Promise.all(makers.map((maker) => maker.cleanup?.(id)));
    },
  };
  const context = { ...like, id, cgroupPath: path };
  for (const maker of makers) {
    if (await maker.prepareAhead?.(context)) continue;
    await groups[Symbol.asyncDispose]();
    return undefined;
  }
  return groups;
}

/** Whether `prepare` has control groups to make. */
export function hasGroups(isolator: Isolator, context: PrepareContext): boolean {
  return isolator.prepare !== undefined && isolator.prepares?.(context) === 'groups';
}
