// A host program that runs containers to their ends, many at a time, and tells in one line what it holds before and after.
import { readdirSync } from 'node:fs';
import { isDeepStrictEqual } from 'node:util';
import { createContainerizer } from '@gantry/containerizer';
import { eventually } from '../support/eventually.mjs';

const [root, stateRoot, image = '', launches] = process.argv.slice(2);
const atOnce = 8;

/** Of descriptors, threads and whatever keeps the event loop alive. */
const held = () => ({
  descriptors: readdirSync('/proc/self/fd').length,
  threads: readdirSync('/proc/self/task').length,
  resources: process.getActiveResourcesInfo().sort(),
});

const containerizer = await createContainerizer({ root, stateRoot });
await containerizer.recover();

/** Uses all of a container that may leave something with the host program. */
async function use() {
  const command = ['/bin/sh', '-c', 'echo up; read line'];
  const { id } = await containerizer.launch({
    image,
    command,
    stdin: true,
    resources: { limits: { memory: 64 << 20 } },
  });
  const attachment = await containerizer.attach(id, { from: 'start', stdin: true });
  const entered = await containerizer.exec(id, { command: ['/bin/true'] });
  await entered.exit;
  await entered[Symbol.asyncDispose]();
  await containerizer.wait(id, { signal: AbortSignal.timeout(1) }).catch(() => undefined);
  attachment.stdin?.end();
  let lines = 0;
  for await (const _ of containerizer.logs(id, { follow: true })) lines += 1;
  await containerizer.wait(id);
  await attachment[Symbol.asyncDispose]();
  if (lines !== 1) throw new Error(`container ${id} wrote ${lines} lines`);
  await containerizer.remove(id);
}

/** @param {number} count */
async function useMany(count) {
  let left = count;
  const worker = async () => {
    while (left-- > 0) await use();
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
}

// What is made once, for all containers, is there by then.
await useMany(2 * atOnce);
await eventually(
  async () => held().resources,
  (resources) => !resources.some((name) => name.startsWith('FSReq')),
);
const before = held();
await useMany(Number(launches));
const after = await eventually(
  async () => held(),
  (now) => isDeepStrictEqual(now, before),
);
process.stdout.write(`${JSON.stringify({ before, after })}\n`);
await containerizer[Symbol.asyncDispose]();
