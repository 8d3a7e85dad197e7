import { GantryError } from '@gantry/interface';
import { type Addon, addon } from '@gantry/native';

/** Node.js cannot read extended attributes, so this is the addon's. */
interface OpaqueAddon {
  /** True if the folder at a host path has overlayfs's opaque attribute. Throws Node.js system errors. */
  isOpaque(path: Uint8Array): boolean;
}

/** True for a folder of a layer that hides what the layers below have in it: `trusted.overlay.opaque` is `y`. */
export function isOpaque(path: Uint8Array): boolean {
  const native: Addon & Partial<OpaqueAddon> = addon();
  if (native.isOpaque) return native.isOpaque(path);
  throw new GantryError(
    'UNSUPPORTED',
    'the native addon cannot tell opaque folders, without which files of stacked layers cannot be read: build @gantry/native anew',
  );
}
