import { createWriteStream } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { bare } from './bare.mjs';
import { interleave } from './contender.mjs';
import { gantry } from './gantry.mjs';
import { gantryExec } from './gantry-exec.mjs';
import { ociRuntime } from './oci-runtime.mjs';
import { startPeers } from './peers/index.mjs';
import { measureRates } from './rates.mjs';

const warmUp = 5;

/** With bare as the only other contender: rounds, and milliseconds after each run. */
const besideBare = { rounds: 300, warmUp: 0, pauseMs: 10 };

/** Of a host program that has just begun, for which V8 has not compiled anything yet. */
const beginning = { ...besideBare, rounds: 100 };

/** Launches after which V8 has compiled what it will. */
const compiled = 300;

/**
 * @typedef {object} Measured
 * @property {Map<string, number[]>} launches Milliseconds by name of the figure, of which those that start with `step ` are parts of
 *   Gantry's launch.
 * @property {Map<string, number[]>} first The first of the program, with bare as the only other contender.
 * @property {Map<string, number[]>} alone Those after them all, with bare as the only other contender.
 * @property {Map<string, number[]>} execs The same of processes started in a container that runs.
 * @property {string} rates A table of how much goes through.
 */

/**
 * Measures `/bin/true` in a container by every contender.
 * @param {{ folder: string, rounds: number }} options An empty folder, and how many rounds count.
 * @returns {Promise<Measured>}
 */
export async function measureLaunch({ folder, rounds }) {
  const ours = await gantry(folder);
  const { containerizer, image } = ours;
  const same = { folder, layers: ours.layers, config: ours.config };
  /** @type {import('./peers/index.mjs').RunningPeer[]} */
  const peers = [];
  /** @type {import('./contender.mjs').Contender[]} */
  const contenders = [ours.contender];
  try {
    const floor = await bare(same);
    contenders.push(floor);
    const first = await interleave(contenders, beginning);
    await interleave([ours.contender], { rounds: 0, warmUp: compiled });
    const archive = join(folder, 'image.tar');
    await pipeline(Readable.from(ours.store.export(image, { format: 'docker-archive' })), createWriteStream(archive));
    peers.push(...(await startPeers({ folder, archive, reference: image })));
    // What comes after them finds the caches full of other things, so that is neither of the two that matter most.
    contenders.push(...peers.map(({ launch }) => launch));
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
    const launches = await interleave(contenders, { rounds, warmUp });
    const beside = await gantryExec(containerizer, image);
    const execs = await interleave([beside, ...peers.map(({ exec }) => exec)], { rounds, warmUp });
    await beside.close();
    const rates = await measureRates(containerizer, image, rounds, peers);
    return { launches, first, alone: await interleave([ours.contender, floor], besideBare), execs, rates };
  } finally {
    for (const peer of peers) await peer.close();
    for (const contender of contenders) await contender.close();
  }
}
