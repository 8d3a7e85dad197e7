import { existsSync, statfsSync } from 'node:fs';
import { dirname } from 'node:path';
import { errnoOf, type PrepareContext, type Resources, toGantryError } from '@gantry/interface';
import { addon } from '@gantry/native';
import { invalidField, refused } from '../errors.js';
import type { DiskOptions } from './options.js';
import type { DiskRecord } from './record.js';

/** File systems count in blocks; no limit of ours is less than what an empty layer takes. */
const unit = 4096;
export const minDiskLimit = 64 * 1024;

const ext4Magic = 0xef53;

/** The limit in bytes, rounded down to whole blocks; undefined for none. */
export function diskLimit(resources: Resources | undefined, isolator: string): number | undefined {
  const limit = resources?.limits?.disk;
  if (limit === undefined) return undefined;
  const field = 'spec.resources.limits.disk';
  if (!Number.isSafeInteger(limit) || limit < 1) {
    throw invalidField(field, `must be a whole number of bytes from 1, not ${limit}`);
  }
  if (limit < minDiskLimit) {
    throw refused(
      isolator,
      `${field}: ${limit} bytes is less than an empty layer takes`,
      `use ${minDiskLimit} or more`,
    );
  }
  return Math.floor(limit / unit) * unit;
}

/**
 * How a container's writable layer is to be limited, or undefined if its spec does not ask for that. `REFUSED` for what
 * cannot be limited, or not in the way that the options want.
 */
export function planDisk(context: PrepareContext, options: DiskOptions, isolator: string): DiskRecord | undefined {
  const limit = diskLimit(context.spec.resources, isolator);
  if (limit === undefined) return undefined;
  const { mount } = context.rootfs;
  if (context.spec.image === undefined) {
    throw refused(
      isolator,
      'spec.resources.limits.disk is about what is written over an image, and there is none',
      'give spec.image in place of a folder, or leave the limit out',
    );
  }
  const folders = mount.type === 'overlay' ? [mount.upper, mount.work] : [mount.source];
  const anchor = existing(dirname(dirname(folders[0] ?? '/')));
  const wish = options.enforce ?? 'auto';
  const reason = wish === 'polling' ? 'polling' : whyNoQuota(context, anchor);
  if (reason !== undefined && wish === 'quota') {
    throw refused(isolator, reason, 'change that, or measure instead (disk.enforce: auto or polling)', {
      details: { path: anchor },
    });
  }
  return { by: reason === undefined ? 'quota' : 'polling', folders, anchor, limit };
}

/** Why project quotas cannot hold this container; undefined if they can. */
function whyNoQuota({ rootfs, spec }: PrepareContext, anchor: string): string | undefined {
  if (rootfs.mount.type !== 'overlay') return 'only layers of the overlay backend can be a project of the file system';
  const missing = whyNoQuotaAt(anchor);
  if (missing !== undefined) return missing;
  // dquot_add_space lets those with CAP_SYS_RESOURCE pass; XFS does not.
  const all = (spec.capabilities?.add ?? []).map((name) => name.toUpperCase().replace(/^CAP_/, ''));
  if ((all.includes('SYS_RESOURCE') || all.includes('ALL')) && statfsSync(anchor).type === ext4Magic) {
    return 'a container with CAP_SYS_RESOURCE is above the quotas of ext4';
  }
  return undefined;
}

/** Why a folder's file system has no project quotas; undefined if it has. */
export function whyNoQuotaAt(folder: string): string | undefined {
  try {
    const { counted, enforced } = addon().projectQuotaState(folder);
    if (counted && enforced) return undefined;
  } catch (error) {
    if (!['ENOSYS', 'EOPNOTSUPP', 'ESRCH', 'EINVAL', 'ENODEV', 'ENOTTY'].includes(errnoOf(error) ?? '')) {
      throw toGantryError(error, `asking for the quotas of ${folder}`);
    }
  }
  return `the file system of ${folder} enforces no project quotas: it must be XFS or ext4 (with the features quota and project), mounted with prjquota, on Linux 5.14 or newer`;
}

function existing(folder: string): string {
  return existsSync(folder) || folder === '/' ? folder : existing(dirname(folder));
}
