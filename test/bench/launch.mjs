import { bare } from './bare.mjs';
import { interleave } from './contender.mjs';
import { gantry } from './gantry.mjs';
import { ociRuntime } from './oci-runtime.mjs';
import { measureRates } from './rates.mjs';

const warmUp = 5;

/**
 * Measures `/bin/true` in a container by every contender.
 * @param {{ folder: string, rounds: number }} options An empty folder, and how many rounds count.
 * @returns {Promise<{ figures: Map<string, number[]>, rates: string }>} Milliseconds by name of the figure, of which those that start
 *   with `step ` are parts of Gantry's launch; a table of how much goes through.
 */
export async function measureLaunch({ folder, rounds }) {
  const ours = await gantry(folder);
  const same = { folder, layers: ours.layers, config: ours.config };
  /** @type {import('./contender.mjs').Contender[]} */
  const contenders = [ours.contender];
  try {
    contenders.push(await bare(same));
    contenders.push(await ociRuntime({ ...same, name: 'crun', command: 'crun' }));
    contenders.push(
      await ociRuntime({
        ...same,
        name: 'crun, no cgroups',
        command: 'crun',
        flags: ['--cgroup-manager=disabled'],
        cgroups: false,
      }),
    );
    contenders.push(await ociRuntime({ ...same, name: 'runc', command: 'runc' }));
    const figures = await interleave(contenders, { rounds, warmUp });
    return { figures, rates: await measureRates(ours.containerizer, ours.image, rounds) };
  } finally {
    for (const contender of contenders) await contender.close();
  }
}
