/** The paths that may be in a root file system; undefined stands for all. */
export type PathWhitelist = ReadonlySet<string> | undefined;

/** What a whitelist and an image's own let through; an empty list lets everything through. */
export function narrow(whitelist: PathWhitelist, paths: readonly string[]): PathWhitelist {
  if (paths.length === 0) return whitelist;
  return new Set(paths.filter((path) => whitelist === undefined || whitelist.has(path)));
}

/**
 * Tells of each path of an image, absolute and normalised, whether it is to be in the root file system: the listed paths
 * and the folders on the way to them. A listed folder does not bring what is in it. appc 0.8, ace.md#filesystem-setup.
 */
export function whitelistFilter(whitelist: ReadonlySet<string>): (path: string) => boolean {
  const kept = new Set(['/']);
  for (const path of whitelist) {
    for (let at = path; !kept.has(at); at = at.slice(0, at.lastIndexOf('/')) || '/') kept.add(at);
  }
  return (path) => kept.has(path);
}
