import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const program = fileURLToPath(new URL('gantry-program.mjs', import.meta.url));

/**
 * What the program answers.
 * @typedef {object} Answer
 * @property {Record<string, number>} figures
 * @property {string[][]} layers Of each image that was asked for.
 */

/**
 * Gantry as a library in a program of its own.
 * @param {string} [name]
 * @param {(reference: string) => readonly string[]} [references] All that the program pulls at once. Default: the image.
 * @returns {import('./puller.mjs').Puller}
 */
export const gantry = (name = 'gantry', references = (reference) => [reference]) => ({
  name,
  commands: [],
  async start({ folder, reference, sandbox }) {
    const host = sandbox.start(process.execPath, [program, join(folder, 'store')]);
    const lines = host.lines[Symbol.asyncIterator]();
    const answer = async () => {
      const { value, done } = await lines.next();
      if (done) await host.ended();
      return JSON.parse(value);
    };
    /** @type {readonly string[]} */
    let layers = [];
    await answer();
    return {
      async pull() {
        host.input.write(`${JSON.stringify(references(reference))}\n`);
        /** @type {Answer} */
        const { figures, layers: all } = await answer();
        layers = all[0] ?? [];
        return new Map(Object.entries(figures));
      },
      layers: async () => layers,
      close: () => host.close(),
    };
  },
});
