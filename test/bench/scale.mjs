/**
 * `node test/bench/scale.mjs [--running 1000] [--recovered 100] [--launches 10000]`: containers that run at once, those that a
 * next host program takes up, and launches one after the other in one process. Needs root, and 3 GB of memory. A 0 leaves one out.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { createContainerizer } from '@gantry/containerizer';
import { parseReference } from '@gantry/image-spec';
import { createRegistryClient } from '@gantry/registry-client';
import { createImageStore } from '@gantry/store';
import { busyboxImage, pushImage, startRegistry } from '@gantry/testkit';
import { eventually } from '../support/eventually.mjs';
import { machine } from './machine.mjs';
import { percentile } from './statistics.mjs';

/** @import { Containerizer } from '@gantry/interface' */

const atOnce = 8;
const kB = 1024;

const { values } = parseArgs({
  options: {
    running: { type: 'string', default: '1000' },
    recovered: { type: 'string', default: '100' },
    launches: { type: 'string', default: '10000' },
    folder: { type: 'string' },
  },
});

/** Lines `name: number kB` of a file in /proc. @param {string} path */
function fieldsOf(path) {
  const pairs = readFileSync(path, 'utf8').matchAll(/^(\w+):\s+(\d+) kB$/gm);
  return new Map([...pairs].map(([, name = '', value]) => [name, Number(value)]));
}

/** Private memory of a process, kB. @param {number} pid */
function privateMemory(pid) {
  const fields = fieldsOf(`/proc/${pid}/smaps_rollup`);
  return (fields.get('Private_Clean') ?? 0) + (fields.get('Private_Dirty') ?? 0);
}

/** What this process holds. */
function held() {
  return {
    descriptors: readdirSync('/proc/self/fd').length,
    threads: readdirSync('/proc/self/task').length,
    resources: process.getActiveResourcesInfo().sort().join(' '),
    resident: Math.round(process.memoryUsage.rss() / kB / kB),
  };
}

/**
 * Does something for every number up to a count, several at a time.
 *
 * @param {number} count
 * @param {(number: number) => Promise<void>} work
 */
async function each(count, work) {
  const numbers = Array.from({ length: count }, (_, number) => number).values();
  const worker = async () => {
    for (const number of numbers) await work(number);
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
}

/** @param {number} start */
const secondsSince = (start) => (performance.now() - start) / 1000;

/**
 * @param {Containerizer} containerizer
 * @param {string} image
 * @param {number} count
 */
async function measureRunning(containerizer, image, count) {
  const available = () => fieldsOf('/proc/meminfo').get('MemAvailable') ?? 0;
  const before = { memory: available(), resident: held().resident };
  const start = performance.now();
  await each(count, async (number) => {
    await containerizer.launch({ id: `scale-${number}`, image, command: ['/bin/sleep', '100000'] });
  });
  const launching = secondsSince(start);
  const shims = [];
  const programs = [];
  for await (const { pid, shimPid } of containerizer.containers()) {
    if (pid === undefined || shimPid === undefined) throw new Error('a container has ended');
    shims.push(privateMemory(shimPid));
    programs.push(privateMemory(pid));
  }
  const memory = (before.memory - available()) / count;
  const resident = ((held().resident - before.resident) * kB) / count;
  const ending = performance.now();
  await each(count, (number) => end(containerizer, `scale-${number}`));
  console.log(`${count} containers at once, ${atOnce} launches at a time:`);
  console.log(`  launches a second: ${(count / launching).toFixed(0)}`);
  console.log(`  private memory of a shim, median and largest: ${percentile(shims, 0.5)} and ${Math.max(...shims)} kB`);
  console.log(`  private memory of the program (busybox sleep), median: ${percentile(programs, 0.5)} kB`);
  console.log(`  memory of the machine a container, kernel's included: ${memory.toFixed(0)} kB`);
  console.log(`  of that in the host program: ${resident.toFixed(0)} kB`);
  console.log(`  destroyed and forgotten, all: ${secondsSince(ending).toFixed(1)} s`);
}

/** @param {Containerizer} containerizer @param {string} id */
async function end(containerizer, id) {
  await containerizer.destroy(id);
  await containerizer.remove(id);
}

/**
 * Has a host program of its own launch containers, kills it, and takes its containers up.
 *
 * @param {string} root
 * @param {string} stateRoot
 * @param {string} image
 * @param {number} count
 */
async function measureRecovery(root, stateRoot, image, count) {
  const program = fileURLToPath(new URL('../launch/host-program.mjs', import.meta.url));
  const specs = Array.from({ length: count }, (_, number) => ({
    id: `recovered-${number}`,
    image,
    command: ['/bin/sleep', '100000'],
  }));
  const child = spawn(process.execPath, [program, root, stateRoot, ...specs.map((spec) => JSON.stringify(spec))], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let running = 0;
  for await (const _ of createInterface({ input: child.stdout })) {
    running += 1;
    if (running === count) break;
  }
  const gone = once(child, 'exit');
  child.kill('SIGKILL');
  await gone;
  const start = performance.now();
  const containerizer = await createContainerizer({ root, stateRoot });
  const report = await containerizer.recover();
  const milliseconds = performance.now() - start;
  if (report.running.length !== count) throw new Error(`recovered: ${JSON.stringify(report)}`);
  await each(count, (number) => end(containerizer, `recovered-${number}`));
  await containerizer[Symbol.asyncDispose]();
  console.log(`${count} running containers are recovered in ${milliseconds.toFixed(0)} ms`);
}

/**
 * @param {Containerizer} containerizer
 * @param {string} image
 * @param {number} count
 */
async function measureLaunches(containerizer, image, count) {
  const start = performance.now();
  console.log(`${count} launches of /bin/true in one process, ${atOnce} at a time; after so many:`);
  const most = 1000;
  for (let done = 0; done < count; done += most) {
    await each(Math.min(most, count - done), async (number) => {
      const id = `launched-${number}`;
      await containerizer.launch({ id, image, command: ['/bin/true'] });
      await containerizer.wait(id);
      await containerizer.remove(id);
    });
    const { resident, descriptors, threads } = held();
    const { heapUsed } = process.memoryUsage();
    const memory = `${resident} MiB resident, ${Math.round(heapUsed / kB / kB)} MiB heap`;
    console.log(`  ${Math.min(done + most, count)}: ${memory}, ${descriptors} descriptors, ${threads} threads`);
  }
  console.log(`  launches a second: ${(count / secondsSince(start)).toFixed(0)}`);
}

/** @param {string} root */
async function pull(root) {
  const registry = await startRegistry();
  try {
    const reference = `${registry.address}/busybox:latest`;
    await pushImage(await busyboxImage(), createRegistryClient(), parseReference(reference));
    const store = createImageStore({ root: join(root, 'store'), registry: createRegistryClient() });
    return (await store.pull(reference, { unpack: true })).reference;
  } finally {
    await registry[Symbol.asyncDispose]();
  }
}

const [running, recovered, launches] = [values.running, values.recovered, values.launches].map(Number);
const folder = mkdtempSync(join(values.folder ?? '/dev/shm', 'gantry-scale-'));
try {
  const root = join(folder, 'root');
  const image = await pull(root);
  console.log(machine());
  // Connections to the registry end by themselves.
  await eventually(
    async () => held().resources,
    (resources) => !resources.includes('TCP'),
  );
  const before = held();
  const containerizer = await createContainerizer({ root, stateRoot: join(folder, 'state') });
  if (running) await measureRunning(containerizer, image, running);
  if (recovered) await measureRecovery(root, join(folder, 'other-state'), image, recovered);
  if (launches) await measureLaunches(containerizer, image, launches);
  await containerizer[Symbol.asyncDispose]();
  console.log('held by the host program before the first launch and after the last has ended:');
  for (const { descriptors, threads, resources } of [before, held()])
    console.log(`  ${descriptors} descriptors, ${threads} threads, active: ${resources}`);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
