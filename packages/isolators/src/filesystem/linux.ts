import {
  type CgroupLayout,
  type IdMappings,
  type Isolator,
  type OciMount,
  type PrepareContext,
  toGantryError,
} from '@gantry/interface';
import { refused } from '../errors.js';
import { isHosts } from '../namespaces/sharing.js';
import { rootUsers, type UserPolicy, usersOf } from '../namespaces/users.js';
import { defaultMounts } from './default-mounts.js';
import { standardDevices } from './devices.js';
import { findMaskedPaths, readonlyPaths } from './hidden-paths.js';
import { hostNetworkFiles } from './host-files.js';
import { specMounts } from './spec-mounts.js';
import { forbiddenTarget, normalTarget } from './targets.js';

const name = 'filesystem/linux';

/**
 * `filesystem/linux`: a mount namespace with the kernel's file systems, the standard devices, what the spec mounts
 * and, on the host's network, the host's name service files. Hides what tells about the whole machine.
 *
 * An image's volumes get nothing of their own: the container's writable layer is where their data goes, and it is
 * removed with the container, as an anonymous volume would be.
 */
export function filesystemLinux(options: { readonly cgroups: CgroupLayout; readonly users?: UserPolicy }): Isolator {
  const policy = options.users ?? rootUsers();
  const defaults = defaultMounts(options.cgroups.version);
  const mountsFor = (context: PrepareContext, users: IdMappings) =>
    defaultMounts(options.cgroups.version, { ...users, hasNetwork: !isHosts(context, 'network') });
  let masked: Promise<readonly string[]> | undefined;
  return {
    name,
    async edits(context) {
      const { spec, image } = context;
      const users = usersOf(context, policy);
      checkVolumes(image?.volumes ?? []);
      // Once for all containers, unless it failed.
      masked ??= findMaskedPaths().catch((error: unknown) => {
        masked = undefined;
        throw error;
      });
      const [asked, hostFiles, maskedPaths] = await Promise.all([
        specMounts(spec.mounts ?? []),
        isHosts(context, 'network') ? readHostFiles() : [],
        masked,
      ]);
      return {
        namespaces: [{ type: 'mount' }],
        mounts: overridden([...(users ? mountsFor(context, users) : defaults), ...hostFiles], asked),
        devices: standardDevices,
        maskedPaths,
        readonlyPaths,
        rootReadonly: spec.readonlyRootfs ?? false,
      };
    },
  };
}

async function readHostFiles(): Promise<OciMount[]> {
  try {
    return await hostNetworkFiles();
  } catch (error) {
    throw toGantryError(error, `${name}: looking for the host's name service files`);
  }
}

/** What the spec mounts at the place of a default, as a larger /dev/shm, replaces it. */
function overridden(defaults: readonly OciMount[], asked: readonly OciMount[]): OciMount[] {
  const taken = new Set(asked.map((mount) => mount.destination));
  return [...defaults.filter((mount) => !taken.has(mount.destination)), ...asked];
}

/** An image that declares a volume where nothing may be mounted is hostile or broken (CVE-2023-27561). */
function checkVolumes(volumes: readonly string[]): void {
  for (const volume of volumes) {
    const path = normalTarget(volume);
    const reason = path === undefined ? "is not an absolute path without '..'" : forbiddenTarget(path);
    if (reason !== undefined) {
      throw refused(name, `the image's volume ${JSON.stringify(volume)} ${reason}`, 'use another image', {
        details: { path: volume },
      });
    }
  }
}
