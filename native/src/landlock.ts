/** The addon's call about Landlock. */
export interface LandlockAddon {
  /** The version of the kernel's interface, 1 or more. `ENOSYS` for a kernel without Landlock, `EOPNOTSUPP` where it was not switched on at the boot. */
  landlockAbi(): number;
}
