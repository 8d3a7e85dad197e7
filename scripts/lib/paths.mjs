import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The top folder of the repository. */
export const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

/** Where the scripts keep what they may lose: stamps and extracted code. Ignored by git. */
export const cacheFolder = join(root, '.cache');

/**
 * The path of a command that a development dependency installs.
 * @param {string} name
 */
export const tool = (name) => join(root, 'node_modules', '.bin', name);
