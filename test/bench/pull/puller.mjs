import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { setTimeout } from 'node:timers/promises';
import { isOnPath } from '../../../scripts/lib/prerequisites.mjs';
import { runOrThrow } from '../../../scripts/lib/run.mjs';
import { ControlGroup } from './control-group.mjs';
import { Sandbox, sandboxPath } from './sandbox.mjs';
import { summarise } from './tree.mjs';

/**
 * One way to bring an image onto this machine, unpacked.
 * @typedef {object} Puller
 * @property {string} name Of its figures.
 * @property {readonly string[]} commands Programs that it needs.
 * @property {(place: Place) => Promise<StartedPuller>} start Does all that is done once, before any pull.
 */

/**
 * @typedef {object} Place
 * @property {string} folder An empty one, for everything that it writes.
 * @property {string} reference Of the image, in a registry on the loopback interface that speaks plain HTTP.
 * @property {Sandbox} sandbox
 */

/**
 * @typedef {object} StartedPuller
 * @property {() => Promise<ReadonlyMap<string, number> | void>} pull What is timed; may give further figures.
 * @property {() => Promise<readonly string[]>} layers Folders that make up the root file system, lowest first.
 * @property {() => Promise<void>} close Ends what it started.
 */

/**
 * How long each run may take, and who is told what came of it at once: the whole may be cut off.
 * @typedef {object} Pace
 * @property {number} limitSeconds From the start of what is done before a pull.
 * @property {(line: string) => void} say
 */

/**
 * Programs that a puller needs and that are not here.
 * @param {Puller} puller
 */
export const missingCommands = ({ commands }) => commands.filter((command) => !isOnPath(command, sandboxPath));

/**
 * A puller as a contender that starts each run with nothing, and leaves nothing.
 * @param {Puller} puller
 * @param {object} options
 * @param {string} options.folder On the file system that is measured.
 * @param {string} options.reference
 * @param {Agreement} options.agreement
 * @param {AbortSignal} options.signal
 * @param {Pace} options.pace
 * @returns {import('../contender.mjs').Contender}
 */
export function asContender(puller, { folder, reference, agreement, signal: whole, pace }) {
  return {
    async run() {
      const limit = AbortSignal.timeout(pace.limitSeconds * 1000);
      const signal = AbortSignal.any([whole, limit]);
      const own = await mkdtemp(join(folder, 'store-'));
      const group = await ControlGroup.make();
      /** @type {StartedPuller | undefined} */
      let started;
      try {
        const scratch = join(own, 'tmp');
        await mkdir(scratch);
        const env = { TMPDIR: scratch };
        started = await puller.start({ folder: own, reference, sandbox: new Sandbox({ group, env, signal }) });
        const figures = await time(started, group, own);
        agreement.add(puller.name, await summarise(await started.layers()));
        pace.say(inWords(puller.name, figures));
        return new Map(Array.from(figures, ([name, value]) => [figure(puller.name, name), value]));
      } catch (error) {
        if (!limit.aborted || whole.aborted) throw error;
        pace.say(`${puller.name}: ended after ${pace.limitSeconds} s, without a figure`);
        return new Map();
      } finally {
        await started?.close();
        await group.remove();
        await rm(own, { recursive: true, force: true });
        await flush(folder);
      }
    },
    close: async () => undefined,
  };
}

/**
 * @param {string} name Of a puller.
 * @param {ReadonlyMap<string, number>} figures
 */
function inWords(name, figures) {
  const [seconds, cpu, flush] = ['seconds', 'cpu', 'flush'].map((one) => figures.get(one)?.toFixed(2));
  return `${name}: ${seconds} s, ${cpu} s of processors, then ${flush} s to flush`;
}

/**
 * @param {StartedPuller} started
 * @param {ControlGroup} group
 * @param {string} folder
 */
async function time(started, group, folder) {
  await flush(folder);
  await settle();
  const cpu = await group.cpuSeconds();
  const start = performance.now();
  const more = await started.pull();
  const end = performance.now();
  const used = (await group.cpuSeconds()) - cpu;
  await flush(folder);
  const flushed = performance.now();
  return new Map([
    ['seconds', (end - start) / 1000],
    ['cpu', used],
    ['flush', (flushed - end) / 1000],
    ...(more ?? []),
  ]);
}

/** @param {string} folder Everything on its file system goes to the disk. */
const flush = (folder) => runOrThrow('sync', ['--file-system', folder]);

/** Waits until the kernel writes nothing back any more, for a while: others may use the machine. */
async function settle() {
  for (let tries = 0; tries < 300; tries += 1) {
    const dirty = await readFile('/proc/meminfo', 'utf8');
    const kibibytes = Array.from(dirty.matchAll(/^(?:Dirty|Writeback):\s*(\d+) kB$/gm), ([, size]) => Number(size));
    if (kibibytes.reduce((sum, size) => sum + size, 0) < 4096) return;
    await setTimeout(100);
  }
}

/**
 * The name under which a puller's figure is kept.
 * @param {string} puller
 * @param {string} name
 */
export const figure = (puller, name) => `${puller}: ${name}`;

/** All that pull the same image must come to the same tree. */
export class Agreement {
  /** @type {{ name: string, tree: import('./tree.mjs').TreeSummary } | undefined} */
  #first;

  /** How many entries the tree has. */
  get entries() {
    return this.#first?.tree.entries ?? 0;
  }

  /**
   * @param {string} name
   * @param {import('./tree.mjs').TreeSummary} tree
   */
  add(name, tree) {
    this.#first ??= { name, tree };
    const { name: other, tree: expected } = this.#first;
    if (tree.entries === expected.entries && tree.digest === expected.digest) return;
    const told = [tree, expected].map(({ entries, digest }) => `${entries} entries, digest ${digest}`);
    throw new Error(`${name} and ${other} unpacked different trees: ${told.join('; ')}`);
  }
}
