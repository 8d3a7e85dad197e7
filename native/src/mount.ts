/**
 * The addon's mounts. Those that are detached are attached nowhere: they resolve with a descriptor, are seen only below
 * `/proc/self/fd/<descriptor>` and end when the caller closes it. All need CAP_SYS_ADMIN in the user namespace of the program's
 * mount namespace, else EPERM.
 */
export interface MountAddon {
  /** An overlay of one lower folder, volatile. ENODEV if the kernel has no overlayfs; EINVAL for folders that it does not take. */
  detachedOverlay(lower: string, upper: string, work: string, userxattr: boolean): Promise<number>;
  /** A folder and all mounted below it, the folder's own mount read-only. */
  detachedReadonlyBind(path: string): Promise<number>;
  /** Mounts a file or folder, or what the kernel shows as one, over another; without what is mounted below it. */
  bindMount(source: string, target: string): Promise<void>;
  /** Takes away the uppermost mount at a path, now for those who come and for its users when they are done. EINVAL if there is none. */
  unmount(path: string): Promise<void>;
}
