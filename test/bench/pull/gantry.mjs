import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const pathOf = (/** @type {string} */ name) => fileURLToPath(new URL(name, import.meta.url));

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
 * @param {boolean} [watches] Whether it says why its event loop was late.
 * @returns {import('./puller.mjs').Puller}
 */
export const gantry = (name = 'gantry', references = (reference) => [reference], watches = false) => ({
  name,
  commands: [],
  async start({ folder, reference, sandbox }) {
    const host = dialogue(
      sandbox.start(process.execPath, [
        pathOf('gantry-program.mjs'),
        join(folder, 'store'),
        ...(watches ? ['watch'] : []),
      ]),
    );
    const idle = dialogue(sandbox.start(process.execPath, [pathOf('idle-program.mjs')]));
    /** @type {readonly string[]} */
    let layers = [];
    await host.hear();
    await idle.ask('start');
    return {
      async pull() {
        /** @type {Answer} */
        const { figures, layers: all } = await host.ask(JSON.stringify(references(reference)));
        layers = all[0] ?? [];
        return new Map([...Object.entries(figures), ['idle loop max', await idle.ask('stop')]]);
      },
      layers: async () => layers,
      async close() {
        await idle.close();
        await host.close();
      },
    };
  },
});

/**
 * Talks with a program that answers lines by lines of JSON.
 * @param {import('./sandbox.mjs').Program} program
 */
function dialogue(program) {
  const lines = program.lines[Symbol.asyncIterator]();
  const hear = async () => {
    const { value, done } = await lines.next();
    if (!done) return JSON.parse(value);
    await program.ended();
    throw new Error(`${program.name} ended before its answer`);
  };
  return {
    hear,
    /** @param {string} line */
    ask(line) {
      program.input.write(`${line}\n`);
      return hear();
    },
    close: () => program.close(),
  };
}
