import { readlinkSync } from 'node:fs';
import { isOrdinary } from '@gantry/archive';
import { addon } from '@gantry/native';

/** The inode of the user namespace that the machine starts with (include/linux/proc_ns.h, PROC_USER_INIT_INO). */
const initialNamespace = 'user:[4026531837]';

/**
 * True if this program runs in a user namespace of somebody's, or has its containers' roots made in one. `trusted.*` attributes are then out of reach, and overlayfs
 * keeps its marks in `user.overlay.*` (mount option `userxattr`).
 */
export function inUserNamespace(): boolean {
  // An ordinary user's containers are in one although the program is not.
  return isOrdinary() || readlinkSync('/proc/self/ns/user') !== initialNamespace;
}

/** The attribute by which overlayfs knows a folder that hides what the layers below have in it; its value is `y`. */
export function opaqueAttribute(userxattr: boolean): string {
  return userxattr ? 'user.overlay.opaque' : 'trusted.overlay.opaque';
}

/** True for a folder of a layer that hides what the layers below have in it. */
export function isOpaque(path: Uint8Array, userxattr: boolean): boolean {
  return addon().isOpaque(path, userxattr);
}
