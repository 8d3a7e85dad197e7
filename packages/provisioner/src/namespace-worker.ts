/** Does for an ordinary user's program, in a user namespace, what takes privileges over the files of containers. */
import { parentPort, workerData } from 'node:worker_threads';
import { errnoOf } from '@gantry/interface';
import { addon } from '@gantry/native';
import type { NamespaceJob, NamespaceResponse } from './namespace-job.js';
import { opaqueAttribute } from './opaque.js';
import { trials } from './trials.js';

async function* run(job: NamespaceJob): AsyncGenerator<NamespaceResponse, void, undefined> {
  if (job.type === 'trial') {
    yield { type: 'ability', ability: await trials[job.backend](job.folder, true) };
    return;
  }
  const copy = new (addon().TreeCopy)([...job.layers], job.to, opaqueAttribute(true));
  for (;;) {
    const progress = await copy.step();
    yield { type: 'copied', ...progress };
    if (progress.done) return;
  }
}

async function serve(): Promise<void> {
  const send = (response: NamespaceResponse) => parentPort?.postMessage(response);
  try {
    for await (const response of run(workerData as NamespaceJob)) send(response);
  } catch (error) {
    const { message, syscall } = error as NodeJS.ErrnoException;
    send({ type: 'failed', message, errno: errnoOf(error), syscall });
  }
  parentPort?.close();
}

void serve();
