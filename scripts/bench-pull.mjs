// Measures pulling and unpacking an image of 375 MB from a registry on this machine: Gantry, docker, containerd, podman, skopeo with
// umoci, and curl with tar. Needs root.
//   npm run bench:pull                                3 rounds, on tmpfs and on disk
//   npm run bench:pull -- --rounds 5 --on tmpfs       on one of the two
//   npm run bench:pull -- --only gantry,docker        some of them
//   npm run bench:pull -- --compare --limit 120       nothing of Gantry alone, and no pull of more than 120 s; else 300
//   npm run bench:pull -- --check --times 5           exit status 1 if a goal is missed; one is to be 5 times as fast
import { existsSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { installPackages } from './lib/debian-packages.mjs';
import { main } from './lib/main.mjs';
import { ScriptError } from './lib/run.mjs';
import { setup } from './lib/setup.mjs';
import { step } from './lib/step.mjs';

/** File systems that a store may be on. */
const places = new Map([
  ['tmpfs', '/dev/shm'],
  ['disk', '/var/tmp'],
]);

/** What makes the image, and what pulls it besides Gantry. */
const packages = new Map([
  ['buildah', 'builds the image'],
  ['mmdebstrap', 'builds the image'],
  ['docker-registry', 'serves the image'],
  ['skopeo', 'fills the registry, and pulls'],
  ['umoci', 'unpacks what skopeo pulls'],
  ['docker.io', 'pulls'],
  ['containerd', 'pulls'],
  ['podman', 'pulls'],
  ['curl', 'downloads for tar'],
  ['isal', 'decompresses for tar'],
]);

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '3' },
    on: { type: 'string' },
    only: { type: 'string' },
    check: { type: 'boolean', default: false },
    compare: { type: 'boolean', default: false },
    limit: { type: 'string', default: '300' },
    times: { type: 'string', default: '5' },
  },
});

/** @param {'rounds' | 'times' | 'limit'} option */
function positive(option) {
  const number = Number(values[option]);
  if (number > 0) return number;
  throw new ScriptError(`--${option} takes a number above 0`);
}

/**
 * @param {'on' | 'only'} option
 * @param {readonly string[]} known
 */
function chosen(option, known) {
  const names = values[option]?.split(',') ?? known;
  const unknown = names.find((name) => !known.includes(name));
  if (unknown === undefined) return names;
  throw new ScriptError(`--${option} takes some of ${known.join(',')}; ${unknown} is none`);
}

function interruption() {
  const controller = new AbortController();
  for (const signal of /** @type {const} */ (['SIGINT', 'SIGTERM'])) {
    process.once(signal, () => controller.abort(new ScriptError(`ended by ${signal}`)));
  }
  return controller.signal;
}

await main(async () => {
  const rounds = Math.ceil(positive('rounds'));
  const times = positive('times');
  const pace = { limitSeconds: positive('limit'), comparesOnly: values.compare };
  const on = chosen('on', [...places.keys()]);
  if (process.getuid?.() !== 0) throw new ScriptError('unpacking images needs root: run npm run bench:pull as root');
  await setup();
  await installPackages(packages, 'what needs it is left out');
  // Only now is there a build to import.
  const bench = await import('../test/bench/pull/index.mjs');
  const only = chosen('only', bench.contenderNames);
  const content = await step('image', bench.registryContent);
  const signal = interruption();
  const session = await bench.openSession(content, only);
  const missed = [];
  try {
    for (const name of on) {
      const folder = places.get(name);
      if (folder !== undefined && existsSync(folder)) {
        missed.push(...(await session.run({ name, folder, rounds, times, signal, ...pace })));
      }
    }
  } finally {
    await session.close();
  }
  return values.check && missed.length > 0 ? 1 : 0;
});
