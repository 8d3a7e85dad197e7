// Pulls and unpacks the images that a line of its input names, all at once, and answers with figures and layer folders.
//   gantry-program.mjs ROOT [watch]
// With `watch` it says why its event loop was late, which costs some processor time of its own.
import { readFileSync, writeFileSync } from 'node:fs';
import { monitorEventLoopDelay, performance } from 'node:perf_hooks';
import { createInterface } from 'node:readline';
import { createRegistryClient } from '@gantry/registry-client';
import { createImageStore } from '@gantry/store';
import { LoopWatch } from './loop-watch.mjs';

const watches = process.argv[3] === 'watch';
const store = createImageStore({ root: process.argv[2] ?? '', registry: createRegistryClient() });

/**
 * A line of this process's status, in MiB.
 * @param {'VmRSS' | 'VmHWM'} name
 */
function mebibytes(name) {
  const text = readFileSync('/proc/self/status', 'utf8');
  return Number(new RegExp(`^${name}:\\s*(\\d+) kB$`, 'm').exec(text)?.[1]) / 1024;
}

/** The peak starts anew. proc_pid_clear_refs(5). */
const forgetPeak = () => writeFileSync('/proc/self/clear_refs', '5');

/**
 * When each kind of event was last seen, in seconds.
 * @param {Map<string, number>} seen
 * @param {number} start
 * @returns {(event: import('@gantry/interface').ProgressEvent) => void}
 */
const watch = (seen, start) => (event) => {
  seen.set(event.type, (performance.now() - start) / 1000);
};

/** @param {readonly string[]} references */
async function pull(references) {
  forgetPeak();
  const before = mebibytes('VmRSS');
  const loop = watches ? new LoopWatch() : undefined;
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  /** @type {Map<string, number>} */
  const seen = new Map();
  const start = performance.now();
  const onProgress = watch(seen, start);
  const images = await Promise.all(
    references.map(async (reference) => {
      const image = await store.pull(reference, { unpack: true, onProgress });
      return store.unpack(image, { onProgress });
    }),
  );
  const done = (performance.now() - start) / 1000;
  delay.disable();
  const figures = {
    'loop max': delay.max / 1e6,
    'loop p99': delay.percentile(99) / 1e6,
    ...loop?.end(),
    memory: mebibytes('VmHWM') - before,
    resolved: seen.get('resolved') ?? 0,
    fetched: seen.get('fetched') ?? 0,
    unpacked: seen.get('unpacked') ?? 0,
    done,
  };
  return { figures, layers: images.map(({ layerPaths }) => layerPaths) };
}

console.log('{}');
for await (const line of createInterface({ input: process.stdin })) {
  console.log(JSON.stringify(await pull(JSON.parse(line))));
}
