import { performance } from 'node:perf_hooks';
import { streamed, streamPiece } from './stream.mjs';
import { table } from './table.mjs';

/** @import { Containerizer, ContainerSpec } from '@gantry/interface' */

const atOnce = [1, 4, 16];

/**
 * How much of it goes through: launches to their ends and back to nothing, by how many are under way at once; bytes
 * from a client through the container's program, its shim and the log back to the client.
 *
 * @param {Containerizer} containerizer
 * @param {string} image
 * @param {number} rounds Launches of each kind.
 * @param {readonly { readonly name: string, echo(): Promise<number | undefined> }[]} peers For the last.
 */
export async function measureRates(containerizer, image, rounds, peers) {
  const rows = [['how much', 'figure']];
  for (const many of atOnce)
    rows.push([`launches a second, ${many} at once`, await launchRate(containerizer, image, many, rounds)]);
  const echoes = [{ name: 'gantry', echo: () => throughput(containerizer, image) }, ...peers];
  for (const peer of echoes) {
    const figure = await peer.echo();
    if (figure !== undefined) rows.push([`input to output of cat, ${peer.name}, MiB a second`, figure.toFixed(0)]);
  }
  return table(rows);
}

/**
 * @param {Containerizer} containerizer
 * @param {string} image
 * @param {number} many
 * @param {number} rounds
 */
async function launchRate(containerizer, image, many, rounds) {
  let left = rounds;
  const worker = async () => {
    while (left-- > 0) {
      const { id } = await containerizer.launch({ image, command: ['/bin/true'] });
      await containerizer.wait(id);
      await containerizer.remove(id);
    }
  };
  const start = performance.now();
  await Promise.all(Array.from({ length: many }, worker));
  return ((rounds * 1000) / (performance.now() - start)).toFixed(0);
}

/** @param {Containerizer} containerizer @param {string} image */
async function throughput(containerizer, image) {
  /** @type {ContainerSpec} */
  const spec = { image, command: ['/bin/cat'], stdin: true, log: { maxBytes: 16 * 2 ** 20, maxFiles: 8 } };
  const { id } = await containerizer.launch(spec);
  const attachment = await containerizer.attach(id, { stdin: true, from: 'start' });
  const start = performance.now();
  const sending = (async () => {
    for (let sent = 0; sent < streamed; sent += streamPiece.length) {
      await new Promise((resolve) => attachment.stdin?.write(streamPiece, resolve));
    }
    attachment.stdin?.end();
  })();
  let received = 0;
  for await (const piece of attachment.stdout) received += piece.length;
  await sending;
  const seconds = (performance.now() - start) / 1000;
  if (received !== streamed) throw new Error(`attach: ${received} of ${streamed} bytes came back`);
  await attachment[Symbol.asyncDispose]();
  await end(containerizer, id);
  return streamed / 2 ** 20 / seconds;
}

/** @param {Containerizer} containerizer @param {string} id */
async function end(containerizer, id) {
  await containerizer.destroy(id);
  await containerizer.remove(id);
}
