import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { table } from '../table.mjs';
import { ControlGroup } from './control-group.mjs';
import { Sandbox } from './sandbox.mjs';

const program = fileURLToPath(new URL('parts-program.mjs', import.meta.url));

/**
 * What the parts of Gantry's pull take, each alone. Of two that overlap in a pull, the longer counts.
 * @param {{ reference: string, folder: string, signal: AbortSignal }} options
 * @returns {Promise<string>} A table of Markdown.
 */
export async function partsTable({ reference, folder, signal }) {
  const own = await mkdtemp(join(folder, 'gantry-bench-'));
  const group = await ControlGroup.make();
  try {
    const scratch = join(own, 'tmp');
    await mkdir(scratch);
    const sandbox = new Sandbox({ group, env: { TMPDIR: scratch }, signal });
    /** @type {{ name: string, seconds: number, cpu: number }[]} */
    const parts = JSON.parse(await sandbox.run(process.execPath, [program, own, reference]));
    return table([
      ['part, alone', 's', 'CPU s'],
      ...parts.map(({ name, seconds, cpu }) => [name, seconds.toFixed(2), cpu.toFixed(2)]),
    ]);
  } finally {
    await group.remove();
    await rm(own, { recursive: true, force: true });
  }
}
