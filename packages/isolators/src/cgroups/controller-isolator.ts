import type { Isolator, OciResources, PrepareContext } from '@gantry/interface';
import { addon } from '@gantry/native';
import type { CgroupSetting, Controller } from './cgroups.js';
import type { GroupLimits } from './group-limits.js';
import { type CgroupIsolatorOptions, groupOf, preparedGroup } from './isolator.js';
import { settingLimits } from './setting-limits.js';
import { applySettings } from './settings.js';
import { sharedGroup } from './sharing.js';

/** What is an isolator's own of those that have a controller each. */
export interface ControllerPart
  extends Omit<
    Isolator,
    'edits' | 'prepares' | 'prepare' | 'prepareAhead' | 'takeOver' | 'cleanup' | 'list' | 'close'
  > {
  readonly controller: Controller;
  /**
   * What it asks for a container, checked; undefined if that is to have no group of this controller's. Called at `edits` and
   * again at `prepare`, so it changes nothing.
   */
  resources(context: PrepareContext, path: string): OciResources | undefined | Promise<OciResources | undefined>;
  /** What the new group is set to. */
  settings?(context: PrepareContext): readonly CgroupSetting[];
  /** Limits the new group where that takes more than settings. */
  limit?(path: string, context: PrepareContext): void | Promise<void>;
  /** As `limit`, in one go with the making of the group; undefined where that cannot be. */
  limits?(path: string, context: PrepareContext): GroupLimits | undefined;
}

/**
 * An isolator for one controller: it makes a group for each container, below the parent of all, unless the container is to
 * be in its own parent's.
 */
export function controllerIsolator(options: CgroupIsolatorOptions, part: ControllerPart): Isolator {
  const { controller, resources, settings, limit, limits, ...own } = part;
  const { cgroups, cgroupParent } = options;
  const settingsOf = (context: PrepareContext) => settings?.(context) ?? [];
  const limitsOf = (path: string, context: PrepareContext) =>
    limit ? limits?.(path, context) : settingLimits(cgroups, path, settingsOf(context));

  /** Makes the group as most are made, by one call of the addon; undefined if that did not do, and some of it may be there. */
  const makeAtOnce = (path: string, context: PrepareContext) => {
    const making = cgroups.making(controller, path, part.name);
    const given = making && limitsOf(path, context);
    if (!given) return undefined;
    const read = addon().runGroupCalls([...making, ...given.calls]);
    return read !== undefined && given.holds(read) ? given : undefined;
  };

  /** How the groups that were made ahead are limited, by their paths. */
  const ahead = new Map<string, string>();
  const textOf = (given: GroupLimits | undefined) => JSON.stringify(given?.calls);

  return {
    ...own,
    async edits(context) {
      const shared = sharedGroup(options, context);
      if (shared !== undefined) {
        // Of those that only some containers have, only if the parent is one.
        return { cgroups: cgroups.existing(controller, shared) };
      }
      const path = preparedGroup(options, context);
      const asked = await resources(context, path);
      return asked === undefined ? {} : { cgroups: cgroups.folders(controller, path, part.name), resources: asked };
    },
    prepares: () => 'groups',
    async prepare(context) {
      if (sharedGroup(options, context) !== undefined) return;
      const path = preparedGroup(options, context);
      if ((await resources(context, path)) === undefined) return;
      if (makeAtOnce(path, context)) return;
      await cgroups.create(controller, path, part.name);
      applySettings(cgroups, path, settingsOf(context), part.name);
      await limit?.(path, context);
    },
    async prepareAhead(context) {
      const path = preparedGroup(options, context);
      if ((await resources(context, path)) === undefined) return true;
      const given = makeAtOnce(path, context);
      if (given) ahead.set(path, textOf(given));
      return given !== undefined;
    },
    async takeOver(context, spare) {
      const made = ahead.get(spare);
      if (sharedGroup(options, context) !== undefined) return false;
      const path = preparedGroup(options, context);
      if ((await resources(context, path)) === undefined) return made === undefined;
      if (made === undefined || textOf(limitsOf(spare, context)) !== made) return false;
      ahead.delete(spare);
      const names = cgroups.folders(controller, path, part.name);
      const spares = cgroups.folders(controller, spare, part.name);
      return addon().runGroupCalls(spares.map((folder, index) => ['rename', folder, names[index] ?? ''])) !== undefined;
    },
    cleanup(id) {
      ahead.delete(groupOf(options, id));
      return cgroups.remove(controller, groupOf(options, id));
    },
    list: () => cgroups.list(controller, cgroupParent),
    close: () => cgroups.removeParent(controller, cgroupParent),
  };
}
