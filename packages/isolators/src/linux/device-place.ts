import { invalidField, refused } from '../errors.js';
import { normalTarget } from '../filesystem/targets.js';

/** Where a device can be in a container, normalised; elsewhere its file systems are mounted `nodev`. */
export function devicePlace(isolator: string, path: string, field: string): string {
  const normal = normalTarget(path);
  if (normal === undefined) throw invalidField(field, `'${path}' must be an absolute path without '..' or NUL`);
  if (!normal.startsWith('/dev/') || /^\/dev\/(pts|shm|mqueue)(\/|$)/.test(normal)) {
    throw refused(
      isolator,
      `${field}: no device can be used at ${path}`,
      "give a containerPath below /dev, as '/dev/fuse'",
    );
  }
  return normal;
}
