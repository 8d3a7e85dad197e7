import type { Isolator, OciResources, PrepareContext } from '@gantry/interface';
import type { Controller } from './cgroups.js';
import { type CgroupIsolatorOptions, groupOf, preparedGroup } from './isolator.js';
import { sharedGroup } from './sharing.js';

/** What is an isolator's own of those that have a controller each. */
export interface ControllerPart
  extends Omit<Isolator, 'edits' | 'prepares' | 'prepare' | 'cleanup' | 'list' | 'close'> {
  readonly controller: Controller;
  /**
   * What it asks for a container, checked; undefined if that is to have no group of this controller's. Called at `edits` and
   * again at `prepare`, so it changes nothing.
   */
  resources(context: PrepareContext, path: string): OciResources | undefined | Promise<OciResources | undefined>;
  /** Limits the new group. */
  limit?(path: string, context: PrepareContext): void | Promise<void>;
}

/**
 * An isolator for one controller: it makes a group for each container, below the parent of all, unless the container is to
 * be in its own parent's.
 */
export function controllerIsolator(options: CgroupIsolatorOptions, part: ControllerPart): Isolator {
  const { controller, resources, limit, ...own } = part;
  const { cgroups, cgroupParent } = options;
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
      await cgroups.create(controller, path, part.name);
      await limit?.(path, context);
    },
    cleanup: (id) => cgroups.remove(controller, groupOf(options, id)),
    list: () => cgroups.list(controller, cgroupParent),
    close: () => cgroups.removeParent(controller, cgroupParent),
  };
}
