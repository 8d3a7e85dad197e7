import { accessSync, constants } from 'node:fs';
import { join } from 'node:path';
import { ScriptError } from './run.mjs';

const oldestNode = 20;

/** What compiles the addon and the shim: the command, and Debian's package of it. */
const compilers = new Map([
  ['python3', 'python3'],
  ['make', 'make'],
  ['g++', 'g++'],
]);

/**
 * @throws {ScriptError} that names everything that is missing and how to get it.
 */
export function checkPrerequisites() {
  const major = Number(process.versions.node.split('.')[0]);
  if (major < oldestNode) {
    throw new ScriptError(`Gantry needs Node.js ${oldestNode} or later, and this is ${process.version}`);
  }
  if (process.platform !== 'linux') return;
  const missing = [...compilers].filter(([command]) => !isOnPath(command));
  if (missing.length === 0) return;
  const commands = missing.map(([command]) => command).join(', ');
  const packages = missing.map(([, name]) => name).join(' ');
  throw new ScriptError(
    `the addon and the shim are compiled here, and that needs what is not on the PATH: ${commands}\n` +
      `on Debian: apt-get install --no-install-recommends ${packages}`,
  );
}

/**
 * @param {string} command
 * @param {string} [path] Folders, as in PATH. Default: this process's.
 */
export function isOnPath(command, path = process.env['PATH'] ?? '') {
  return path.split(':').some((folder) => {
    try {
      accessSync(join(folder, command), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}
