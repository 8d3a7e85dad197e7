import { join } from 'node:path';
import { root } from '../../scripts/lib/paths.mjs';
import { runOrThrow } from '../../scripts/lib/run.mjs';

/**
 * Compiles one of the C programs beside this file.
 * @param {'bare' | 'time-exec'} name
 * @param {string} folder For the executable.
 * @returns {Promise<string>} Its path.
 */
export async function compile(name, folder) {
  const path = join(folder, name);
  const flags = ['-O2', '-Wall', '-Wextra', '-Werror'];
  await runOrThrow('gcc', [...flags, '-o', path, join(root, `test/bench/${name}.c`)]);
  return path;
}
