import { bare } from './bare.mjs';
import { interleave } from './contender.mjs';
import { gantry } from './gantry.mjs';
import { ociRuntime } from './oci-runtime.mjs';

const warmUp = 5;

/**
 * Measures `/bin/true` in a container by every contender.
 * @param {{ folder: string, rounds: number }} options An empty folder, and how many rounds count.
 * @returns {Promise<Map<string, number[]>>} Milliseconds by name of the figure; names that start with `step ` are parts of Gantry's launch.
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
    return await interleave(contenders, { rounds, warmUp });
  } finally {
    for (const contender of contenders) await contender.close();
  }
}
