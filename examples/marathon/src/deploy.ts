import { randomUUID } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { createContainerizer } from '@gantry/containerizer';
import type { Containerizer, ContainerStatus, ContainerUsage, ProgressEvent } from '@gantry/interface';
import { GantryError } from '@gantry/interface';
import { type Application, containerSpec } from './application.js';
import { type FoundImage, findImage } from './image-source.js';
import { findLeftovers } from './leftovers.js';
import { connectWhenReady, requireFreePort } from './ports.js';
import { RespClient } from './resp.js';

const readyTimeoutMs = 30_000;

export interface DeployOptions {
  readonly root: string;
  readonly stateRoot: string;
  readonly say: (line: string) => void;
  readonly onProgress: (event: ProgressEvent) => void;
  readonly signal: AbortSignal;
}

/** What a deployment showed. */
export interface Deployment {
  readonly found: FoundImage;
  readonly pullMs: number;
  readonly status: ContainerStatus;
  readonly usage: ContainerUsage;
  /** What the server said, in the order of the commands. */
  readonly replies: readonly { readonly command: string; readonly reply: string | null }[];
  /** How it ended, in words. */
  readonly ended: string;
}

/** Deploys the application, talks to it, stops it, and makes sure that nothing of it is left. */
export async function deploy(app: Application, options: DeployOptions): Promise<Deployment> {
  const { root, stateRoot, say, onProgress, signal } = options;
  for (const { port } of app.ports) await requireFreePort(port);
  const id = `${app.id.replace('/', '')}.${randomUUID()}`;
  await using containerizer = await createContainerizer({ root, stateRoot });
  await containerizer.recover({ signal });

  const start = performance.now();
  const found = await findImage(app.image, { root, force: app.forcePullImage, say, onProgress, signal });
  const pullMs = performance.now() - start;

  // The image is in the store now, whatever forcePullImage says: a launch need not ask for it again.
  const spec = { ...containerSpec(app, id, found.image.reference), pull: { force: false } };
  await containerizer.launch(spec, { signal, onProgress });
  try {
    const seen = await speak(app, id, containerizer, signal);
    const termination = await containerizer.stop(id);
    const { exit } = termination;
    const ended =
      exit?.type === 'exited' ? `exit code ${exit.code}` : exit?.type === 'signaled' ? exit.signal : 'unknown';
    return { found, pullMs, ...seen, ended };
  } finally {
    await containerizer.destroy(id);
    await containerizer.remove(id);
    const folders = [stateRoot, ...readdirSync(root).map((folder) => join(root, folder))];
    checkNothingLeft(
      id,
      folders.map((folder) => join(folder, 'containers', id)),
    );
  }
}

async function speak(app: Application, id: string, containerizer: Containerizer, signal: AbortSignal) {
  const [first] = app.ports;
  if (!first) throw new GantryError('INVALID_ARGUMENT', `${app.id} has no port to speak to: give it a portDefinition`);
  const gone = new AbortController();
  const ended = containerizer.wait(id).then(async (termination) => {
    gone.abort();
    let output = '';
    for await (const entry of containerizer.logs(id)) output += Buffer.from(entry.data).toString();
    throw new GantryError(
      'WRONG_STATE',
      `${app.id} ended before it answered: ${JSON.stringify(termination.exit)}\n${output}`,
    );
  });
  // Once the conversation is over the end is expected, and nobody's error.
  ended.catch(() => undefined);
  const connecting = connectWhenReady(first.port, readyTimeoutMs, AbortSignal.any([signal, gone.signal]));
  const socket = await Promise.race([connecting, ended]);
  using client = new RespClient(socket);
  const replies = [];
  for (const command of ['PING', 'SET gantry first-light', 'GET gantry']) {
    replies.push({ command, reply: await client.command(...command.split(' ')) });
  }
  return { status: await containerizer.status(id), usage: await containerizer.usage(id), replies };
}

function checkNothingLeft(id: string, folders: readonly string[]): void {
  const left = findLeftovers(id, folders);
  if (left.length === 0) return;
  throw new GantryError('CLEANUP_FAILED', `${id} left behind:\n${left.join('\n')}`, { details: { id, steps: left } });
}
