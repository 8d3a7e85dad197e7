import { join } from 'node:path';
import { packageFolder } from './addon.js';

/** The shim's static executable, made by `make -C shim`. Start it from a sealed copy, see `sealedExecutable`. */
export const shimPath = join(packageFolder, 'shim', 'gantry-shim');
