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
import { checkedTargets } from './spec-targets.js';
import { forbiddenTarget, normalTarget } from './targets.js';

const name = 'filesystem/linux';

/**
 * `filesystem/linux`: a mount namespace with the kernel's file systems, the standard devices and, on the host's network,
 * the host's name service files. Hides what tells about the whole machine. What the spec mounts is for the `volume/*`
 * isolators to make; where it may go is checked here.
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
      const taken = new Set(checkedTargets(spec.mounts ?? []));
      // Once for all containers, unless it failed.
      masked ??= findMaskedPaths().catch((error: unknown) => {
        masked = undefined;
        throw error;
      });
      const [hostFiles, found] = await Promise.all([isHosts(context, 'network') ? readHostFiles() : [], masked]);
      const own = [...withShmSize(users ? mountsFor(context, users) : defaults, spec.shmSize), ...hostFiles];
      return {
        namespaces: [{ type: 'mount' }],
        // What the spec mounts at the place of a default, as a /dev/shm, replaces it.
        mounts: own.filter(({ destination }) => !taken.has(destination)),
        devices: standardDevices,
        maskedPaths: spec.maskedPaths ?? found,
        readonlyPaths: spec.readonlyPaths ?? readonlyPaths,
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

function withShmSize(mounts: readonly OciMount[], size: number | undefined): readonly OciMount[] {
  if (size === undefined) return mounts;
  return mounts.map((mount) =>
    mount.destination === '/dev/shm'
      ? {
          ...mount,
          options: [...(mount.options ?? []).filter((option) => !option.startsWith('size=')), `size=${size}`],
        }
      : mount,
  );
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
