import { createRequire } from 'node:module';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { GantryError } from '@gantry/interface';
import type { BlobAddon } from './blob.js';
import type { ControlGroupAddon } from './control-group.js';
import type { CopyAddon } from './copy.js';
import type { DescriptorAddon } from './descriptors.js';
import type { DiskAddon } from './disk.js';
import type { FilesystemAddon } from './filesystem.js';
import type { HostFileAddon } from './host-file.js';
import type { LandlockAddon } from './landlock.js';
import type { MountAddon } from './mount.js';
import type { PollAddon } from './poll-watch.js';
import type { ProcessAddon } from './process.js';
import type { TreeAddon } from './tree.js';

/** Everything that the C++ addon exports. */
export type Addon = BlobAddon &
  ControlGroupAddon &
  CopyAddon &
  DescriptorAddon &
  DiskAddon &
  FilesystemAddon &
  HostFileAddon &
  LandlockAddon &
  MountAddon &
  PollAddon &
  ProcessAddon &
  TreeAddon;

/** The folder of this package: the addon, the shim and their sources are below it. */
export const packageFolder = dirname(dirname(fileURLToPath(import.meta.url)));

let loaded: Addon | undefined;

/** Loads the addon on first use, so that importing this package works on any operating system. `UNSUPPORTED` if it is not there. */
export function addon(): Addon {
  if (loaded) return loaded;
  const require = createRequire(import.meta.url);
  try {
    const load = require('node-gyp-build') as (folder: string) => unknown;
    loaded = load(packageFolder) as Addon;
  } catch (cause) {
    throw new GantryError(
      'UNSUPPORTED',
      `the native addon of @gantry/native could not be loaded for ${process.platform}-${process.arch}: it needs Linux, and either a prebuilt binary in the package or 'npm run setup' with python3, make and g++`,
      { cause, details: { platform: process.platform, arch: process.arch } },
    );
  }
  return loaded;
}
