/** Versions of the specification that are spoken here, oldest first. */
export const supportedVersions = ['0.1.0', '0.2.0', '0.3.0', '0.3.1', '0.4.0', '1.0.0', '1.1.0'] as const;

export const currentVersion = '1.1.0';

/** What a configuration that names no version is taken for. */
export const oldestVersion = '0.1.0';

/** Below 0, 0 or above 0 as `a` is older than, the same as or newer than `b`; NaN unless both are versions. */
export function compareVersions(a: string, b: string): number {
  const [left, right] = [parts(a), parts(b)];
  if (!left || !right) return Number.NaN;
  const at = left.findIndex((part, index) => part !== right[index]);
  return at < 0 ? 0 : (left[at] ?? 0) - (right[at] ?? 0);
}

export function isSupported(version: string): boolean {
  return (supportedVersions as readonly string[]).includes(version);
}

/** Whether a version is at least another one. */
export function isAtLeast(version: string, least: string): boolean {
  return compareVersions(version, least) >= 0;
}

/** The newest of some versions; undefined for none. */
export function newest(versions: Iterable<string>): string | undefined {
  return [...versions].sort(compareVersions).at(-1);
}

/** Major, minor and patch; a missing one counts as 0. */
function parts(version: string): readonly number[] | undefined {
  const match = /^(\d+)(?:\.(\d+)(?:\.(\d+))?)?$/.exec(version);
  return match?.slice(1).map((part) => Number(part ?? 0));
}
