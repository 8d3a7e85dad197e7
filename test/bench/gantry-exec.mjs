import { performance } from 'node:perf_hooks';

/**
 * A process beside the first one, from the call to its exit.
 * @param {import('@gantry/interface').Containerizer} containerizer
 * @param {string} image
 * @returns {Promise<import('./contender.mjs').Contender>}
 */
export async function gantryExec(containerizer, image) {
  const { id } = await containerizer.launch({ image, command: ['/bin/sleep', '100000'] });
  return {
    async run() {
      const start = performance.now();
      const beside = await containerizer.exec(id, { command: ['/bin/true'] });
      const exit = await beside.exit;
      const end = performance.now();
      await beside[Symbol.asyncDispose]();
      if (exit.type !== 'exited' || exit.code !== 0) throw new Error(`exec: ${JSON.stringify(exit)}`);
      return new Map([['gantry', end - start]]);
    },
    async close() {
      await containerizer.destroy(id);
      await containerizer.remove(id);
    },
  };
}
