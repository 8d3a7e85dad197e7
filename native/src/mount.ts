/**
 * The addon's mounts that are attached nowhere. Each resolves with a descriptor: the mount is seen only below
 * `/proc/self/fd/<descriptor>` and ends when the caller closes it. They need CAP_SYS_ADMIN in the user namespace of the
 * program's mount namespace, else EPERM.
 */
export interface MountAddon {
  /** An overlay of one lower folder, volatile. ENODEV if the kernel has no overlayfs; EINVAL for folders that it does not take. */
  detachedOverlay(lower: string, upper: string, work: string, userxattr: boolean): Promise<number>;
  /** A folder and all mounted below it, the folder's own mount read-only. */
  detachedReadonlyBind(path: string): Promise<number>;
}
