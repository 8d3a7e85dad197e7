/** The thread that does one stream's work, given as its `workerData`: packs a tree, or decodes or unpacks what is sent to it. */
import { type MessagePort, parentPort, workerData } from 'node:worker_threads';
import { toGantryError } from '@gantry/interface';
import { defaultBudget } from './budget.js';
import { decode } from './decode.js';
import type { StreamJob, StreamRequest, StreamResponse } from './stream-thread.js';
import { TarParser } from './tar-parser.js';
import type { PackedTree, TreeMarks } from './tree-packer.js';
import { packError } from './worker-messages.js';
import { writeTar } from './write-tar.js';

const pieceSize = 256 * 1024;

/** What has come from the parent and is not used yet. */
class Requests {
  readonly #port: MessagePort;
  readonly #inputs: (Uint8Array | undefined)[] = [];
  #more = 0;
  #wake: (() => void) | undefined;

  constructor(port: MessagePort) {
    this.#port = port;
    port.on('message', (request: StreamRequest) => {
      if (request.type === 'more') this.#more++;
      else this.#inputs.push(request.chunk);
      this.#wake?.();
    });
  }

  /** Resolves when one more piece may be sent. */
  async more(): Promise<void> {
    while (this.#more === 0) await this.#next();
    this.#more--;
  }

  /** The chunks of the parent's source; the next one is under way while one is used. */
  async *input(): AsyncGenerator<Uint8Array, void, undefined> {
    const want: StreamResponse = { type: 'want' };
    this.#port.postMessage(want);
    for (;;) {
      while (this.#inputs.length === 0) await this.#next();
      const chunk = this.#inputs.shift();
      if (!chunk) return;
      this.#port.postMessage(want);
      yield chunk;
    }
  }

  #next(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }
}

async function* runJob(job: StreamJob, requests: Requests): AsyncGenerator<Uint8Array, void, undefined> {
  switch (job.type) {
    case 'decode':
      yield* decode(job.compression, requests.input());
      return;
    case 'copy-in':
      await unpack(job.root, Buffer.from(job.folder), requests.input());
      return;
    case 'copy-out':
      yield* pack({ root: job.root, folder: Buffer.from(job.folder), name: Buffer.from(job.name) }, 'copy');
      return;
    case 'pack':
      yield* pack({ root: job.folder }, job.overlay, job.mtime);
  }
}

async function* pack(tree: PackedTree, marks: TreeMarks, mtime?: number): AsyncGenerator<Uint8Array, void, undefined> {
  // Only trees need the addon.
  const { TreePacker } = await import('./tree-packer.js');
  const packer = new TreePacker(tree, marks);
  try {
    yield* writeTar(packer.entries(), mtime === undefined ? {} : { mtime });
  } finally {
    packer.close();
  }
}

async function unpack(root: string, folder: Buffer, archive: AsyncIterable<Uint8Array>): Promise<void> {
  const { CopyApplier } = await import('./copy-applier.js');
  const applier = new CopyApplier(root, folder);
  const parser = new TarParser(applier, unlimited);
  try {
    for await (const chunk of archive) parser.write(chunk);
    parser.finish();
    applier.finish();
  } catch (error) {
    throw applier.explain(error);
  } finally {
    applier.close();
  }
}

/** What is copied is as large as the caller wants it, and what it may fill is for a quota to say. */
const unlimited = { ...defaultBudget, bytes: Number.POSITIVE_INFINITY, entries: Number.POSITIVE_INFINITY };

/** Pieces of one size, each with memory of its own so that it can be handed over. */
async function* inPieces(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array<ArrayBuffer>, void, undefined> {
  let piece = new Uint8Array(pieceSize);
  let fill = 0;
  for await (const chunk of source) {
    for (let at = 0; at < chunk.length; ) {
      const part = chunk.subarray(at, at + pieceSize - fill);
      piece.set(part, fill);
      fill += part.length;
      at += part.length;
      if (fill < pieceSize) continue;
      yield piece;
      piece = new Uint8Array(pieceSize);
      fill = 0;
    }
  }
  if (fill > 0) yield piece.subarray(0, fill);
}

async function run(port: MessagePort, job: StreamJob): Promise<void> {
  const send = (response: StreamResponse, memory: ArrayBuffer[] = []) => port.postMessage(response, memory);
  const requests = new Requests(port);
  try {
    for await (const piece of inPieces(runJob(job, requests))) {
      await requests.more();
      send({ type: 'piece', piece }, [piece.buffer]);
    }
    send({ type: 'end' });
  } catch (error) {
    send({ type: 'failed', error: packError(toGantryError(error, `worker thread (${job.type})`)) });
  }
  port.close();
}

if (parentPort) void run(parentPort, workerData as StreamJob);
