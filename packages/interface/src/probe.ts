/** Something that a host can do for containers, or not. */
export interface HostAbility {
  /** `user namespaces`, `cgroup memory`, `backend overlay`. */
  readonly name: string;
  readonly works: boolean;
  /** Why it does not; only then. */
  readonly reason?: string;
  /** What to change; only then. */
  readonly remedy?: string;
  /** Which one, or where: a version, a path, the limits of what works. */
  readonly detail?: string;
}
