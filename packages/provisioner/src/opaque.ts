import { addon } from '@gantry/native';

/** True for a folder of a layer that hides what the layers below have in it: `trusted.overlay.opaque` is `y`. */
export function isOpaque(path: Uint8Array): boolean {
  return addon().isOpaque(path);
}
