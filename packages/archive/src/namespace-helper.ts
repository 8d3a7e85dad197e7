/** Runs as the root of a user namespace, and starts there the workers that the host program asks for. */
import { Socket } from 'node:net';
import { Worker } from 'node:worker_threads';
import { encodeMessage, type HelperRequest, type HelperResponse, MessageDecoder } from './namespace/messages.js';

const host = new Socket({ fd: 3, readable: true, writable: true });
const decoder = new MessageDecoder<HelperRequest>();
const workers = new Map<number, Worker>();

function respond(response: HelperResponse): void {
  if (host.writable) host.write(encodeMessage(response));
}

function start(id: number, url: string, data: unknown): void {
  const worker = new Worker(new URL(url), { execArgv: [], workerData: data });
  workers.set(id, worker);
  worker.on('message', (message: unknown) => respond({ type: 'message', worker: id, message }));
  worker.on('error', (error) => respond({ type: 'error', worker: id, message: String((error as Error).message) }));
  worker.on('exit', (status) => {
    workers.delete(id);
    respond({ type: 'exit', worker: id, status });
  });
}

host.on('data', (piece: Buffer) => {
  for (const request of decoder.push(piece)) {
    if (request.type === 'start') start(request.worker, request.url, request.data);
    else if (request.type === 'post') workers.get(request.worker)?.postMessage(request.message);
    else void workers.get(request.worker)?.terminate();
  }
});
host.on('error', () => process.exit(1));
// With its host program this one ends too.
host.on('close', () => process.exit(0));
