import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { compile } from './compile.mjs';
import { DrivenProgram } from './driven-program.mjs';
import { lowerdir } from './lowerdir.mjs';

/**
 * The floor: nothing but the system calls.
 * @param {{ folder: string, layers: readonly string[] }} options For what it writes, and the image's layers, lowest first.
 * @returns {Promise<import('./contender.mjs').Contender>}
 */
export async function bare({ folder, layers }) {
  const scratch = join(folder, 'bare-scratch');
  await mkdir(scratch);
  const program = new DrivenProgram(await compile('bare', folder), [lowerdir(layers), scratch, '/bin/true']);
  return {
    run: async () => new Map([['bare', await program.run()]]),
    close: () => program.close(),
  };
}
