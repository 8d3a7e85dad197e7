import { chmodSync, chownSync, lstatSync, mkdirSync } from 'node:fs';
import { isOrdinary } from '@gantry/archive';
import { GantryError, type OverlayRootfs } from '@gantry/interface';
import type { Backend } from './backend.js';
import { BoundedCache } from './bounded-cache.js';
import type { ContainerFolder } from './container-folder.js';

/** The kernel's own limit (OVL_MAX_STACK). */
export const maxOverlayLayers = 500;

const rootsKept = 1024;

/** Mode and owner of the root folder that an image shows. */
interface RootAttributes {
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}

/** An ordinary user cannot give a folder away: its root is then the container's root's, whatever the image says. */
function setOwner(path: string, uid: number, gid: number): void {
  if (!isOrdinary()) chownSync(path, uid, gid);
}

/** Layers stacked by the kernel under a folder of the container's own. Mounted by whoever starts the container. */
export class OverlayBackend implements Backend {
  readonly name = 'overlay';
  readonly #userxattr: boolean;
  readonly #roots = new BoundedCache<RootAttributes>(rootsKept);

  constructor(userxattr: boolean) {
    this.#userxattr = userxattr;
  }

  describe(layers: readonly string[], { upper, work }: ContainerFolder): OverlayRootfs {
    if (layers.length > maxOverlayLayers) {
      throw new GantryError(
        'REFUSED',
        `an overlay of ${layers.length} layers: the kernel stacks ${maxOverlayLayers} at most; use the copy backend for this image`,
        { details: { backend: this.name, layers: layers.length, limit: maxOverlayLayers } },
      );
    }
    const mount = { type: 'overlay', lower: layers, upper, work } as const;
    return this.#userxattr ? { ...mount, userxattr: true } : mount;
  }

  /**
   * Flushes nothing to the disk, which would cost more than all the rest of a launch: after a crash of the machine no
   * container runs, and recovery destroys what is left of them. Unflushed, folders are made in the kernel's memory,
   * sooner than a thread could be woken for it: hence synchronously.
   */
  provision(layers: readonly string[], { upper, work }: ContainerFolder): void {
    // The upper folder's own mode and owner are what the container sees of its root, so they are the image's.
    const { mode, uid, gid } = this.#rootOf(layers.at(-1) ?? '/');
    mkdirSync(upper, mode);
    if (uid !== process.geteuid?.() || gid !== process.getegid?.()) setOwner(upper, uid, gid);
    // Apart from mkdir, which is subject to the host program's umask, and after chown, which clears bits.
    chmodSync(upper, mode);
    mkdirSync(work, 0o700);
  }

  #rootOf(top: string): RootAttributes {
    const known = this.#roots.get(top);
    if (known) return known;
    const { mode, uid, gid } = lstatSync(top);
    const attributes = { mode: mode & 0o7777, uid, gid };
    this.#roots.set(top, attributes);
    return attributes;
  }
}
