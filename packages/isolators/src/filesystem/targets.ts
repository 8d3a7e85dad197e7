import { posix } from 'node:path';

/** Why nothing may be mounted at a path of the container, or undefined if it may. The path is absolute and normalised. */
export function forbiddenTarget(path: string): string | undefined {
  if (path === '/') return 'is the root itself';
  for (const kernel of ['/proc', '/sys']) {
    if (path === kernel || path.startsWith(`${kernel}/`)) {
      return `lies in ${kernel}, where only the kernel's own file system may be`;
    }
  }
  if (path === '/dev' || path === '/dev/pts' || path.startsWith('/dev/pts/')) {
    return "would hide the container's own devices";
  }
  return undefined;
}

/** Folds `//`, `/./` and a final `/` of an absolute path; undefined if it is relative, or has a `..` or a NUL in it. */
export function normalTarget(path: string): string | undefined {
  if (!path.startsWith('/') || path.includes('\0') || path.split('/').includes('..')) return undefined;
  const normal = posix.normalize(path);
  return normal.length > 1 && normal.endsWith('/') ? normal.slice(0, -1) : normal;
}

/** How deep a path is: mounts are made from the root down, so that none hides another. */
export function depthOf(path: string): number {
  return path.split('/').length;
}
