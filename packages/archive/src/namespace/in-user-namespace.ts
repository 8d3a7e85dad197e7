import { readlinkSync } from 'node:fs';

/** The inode of the user namespace that the machine starts with (include/linux/proc_ns.h, PROC_USER_INIT_INO). */
const initialNamespace = 'user:[4026531837]';

/** Whether this process runs in a user namespace of somebody's. */
export function inUserNamespace(): boolean {
  return readlinkSync('/proc/self/ns/user') !== initialNamespace;
}
