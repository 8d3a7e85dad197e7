import {
  type AttachOptions,
  type Containerizer,
  type ContainerMount,
  type ContainerSpec,
  type ContainerTermination,
  isGantryError,
  type Resources,
} from '@gantry/interface';
import { InvalidArgumentError } from 'commander';
import type { Console } from '../console.js';
import { parseDevice } from '../device-options.js';
import { exitCode } from '../exit-code.js';
import { networkSpec } from '../network-options.js';
import { type GlobalOptions, openContainerizer } from '../places.js';
import { showProgress } from '../progress.js';
import { joinStreams, terminalSize, writeTo } from '../streams.js';
import { parseVariables } from '../variables.js';

export interface RunOptions extends GlobalOptions {
  readonly id?: string;
  readonly detach?: boolean;
  readonly rm?: boolean;
  readonly interactive?: boolean;
  readonly tty?: boolean;
  readonly init?: boolean;
  readonly env: readonly string[];
  readonly user?: string;
  readonly workdir?: string;
  readonly hostname?: string;
  readonly entrypoint?: string;
  readonly volume: readonly string[];
  readonly device: readonly string[];
  readonly gpus?: NonNullable<Resources['gpus']>;
  readonly readOnly?: boolean;
  readonly network: readonly string[];
  readonly publish: readonly string[];
  readonly addHost: readonly string[];
  readonly dns: readonly string[];
  readonly cpus?: number;
  readonly memory?: number;
  readonly pids?: number;
}

/**
 * `gantry run`: with `--detach` prints the id; else copies the output until the end, or until the caller detaches, and returns the
 * container's exit code.
 */
export async function run(
  image: string,
  args: readonly string[],
  options: RunOptions,
  console: Console,
  signal: AbortSignal,
): Promise<number> {
  if (options.detach && options.rm) {
    throw new InvalidArgumentError('--rm is for a command that sees the end: leave out --detach, and use gantry rm.');
  }
  const size = terminalSize(console);
  const spec = { ...runSpec(image, args, options), ...(options.tty ? { tty: size ?? true } : {}) };
  await using containerizer = await openContainerizer(options, (line) => console.stderr.write(`gantry: ${line}\n`));
  const view = showProgress(console);
  let id: string;
  try {
    ({ id } = await containerizer.launch(spec, { signal, onProgress: view.onProgress }));
  } finally {
    view.stop();
  }
  if (options.detach) {
    console.stdout.write(`${id}\n`);
    return 0;
  }
  const isAttached = options.interactive || options.tty;
  const termination = isAttached
    ? await attachAndWait(containerizer, id, console, { ...options, from: 'start', signal })
    : await follow(containerizer, id, console, signal);
  if (!termination) return 0;
  if (termination.limitation) console.stderr.write(`gantry: ${termination.limitation.message}\n`);
  if (options.rm) await containerizer.remove(id);
  return exitCode(termination.exit);
}

/** The container that the command line asks for. */
export function runSpec(image: string, args: readonly string[], options: RunOptions): ContainerSpec {
  return {
    ...(options.id === undefined ? {} : { id: options.id }),
    image,
    ...(options.entrypoint === undefined ? {} : { command: [options.entrypoint] }),
    ...(args.length === 0 ? {} : { args }),
    ...(options.interactive ? { stdin: true } : {}),
    ...(options.init ? { init: true } : {}),
    env: parseVariables(options.env),
    ...(options.user === undefined ? {} : { user: options.user }),
    ...(options.workdir === undefined ? {} : { workingDir: options.workdir }),
    ...(options.hostname === undefined ? {} : { hostname: options.hostname }),
    mounts: options.volume.map(parseVolume),
    ...(options.device.length > 0 ? { devices: options.device.map(parseDevice) } : {}),
    readonlyRootfs: options.readOnly ?? false,
    ...networkSpec(options),
    resources: {
      limits: { cpus: options.cpus, memory: options.memory, pids: options.pids },
      ...(options.gpus === undefined ? {} : { gpus: options.gpus }),
    },
  };
}

function parseVolume(text: string): ContainerMount {
  const [source, target, mode = 'rw', ...rest] = text.split(':');
  if (!source || !target || rest.length > 0 || (mode !== 'rw' && mode !== 'ro')) {
    throw new InvalidArgumentError(`'${text}' is not a volume: give /host/path:/container/path or .../path:ro.`);
  }
  return { type: 'bind', source, target, readonly: mode === 'ro' };
}

/** Copies the output until the container ends. An interrupt stops the container rather than the copying. */
async function follow(
  containerizer: Containerizer,
  id: string,
  console: Console,
  signal: AbortSignal,
): Promise<ContainerTermination> {
  const stop = signal.aborted
    ? Promise.resolve()
    : new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
  const stopped = stop.then(() => containerizer.stop(id));
  const copied = (async () => {
    for await (const entry of containerizer.logs(id, { follow: true }))
      await writeTo(console[entry.stream], entry.data);
  })();
  // What cannot be written any more interrupts, too.
  const written = copied.catch((error: unknown) => {
    if (!signal.aborted) throw error;
  });
  const [termination] = await Promise.all([Promise.race([containerizer.wait(id), stopped]), written]);
  return termination;
}

/**
 * Joins the caller's streams with a container's until it ends; undefined if the caller detaches, by ^P ^Q at a terminal or, where the
 * container was there before, by an interrupt.
 */
export async function attachAndWait(
  containerizer: Containerizer,
  id: string,
  console: Console,
  {
    interactive = false,
    tty = false,
    from,
    signal,
  }: {
    readonly interactive?: boolean;
    readonly tty?: boolean;
    readonly from: NonNullable<AttachOptions['from']>;
    readonly signal: AbortSignal;
  },
): Promise<ContainerTermination | undefined> {
  try {
    await using attachment = await containerizer.attach(id, { from, stdin: interactive, signal });
    const interrupted = new Promise<'detached'>((resolve) => {
      signal.addEventListener('abort', () => resolve('detached'), { once: true });
    });
    const joined = joinStreams(attachment, console, { terminal: tty });
    const outcome = await Promise.race([joined, interrupted]);
    if (outcome === 'ended') return await containerizer.wait(id);
    if (from === 'now' || !signal.aborted) return undefined;
    const [termination] = await Promise.all([containerizer.stop(id), joined]);
    return termination;
  } catch (error) {
    // It was quicker than we: all that it wrote is in its log.
    if (from !== 'start' || !isGantryError(error, 'WRONG_STATE')) throw error;
    return follow(containerizer, id, console, signal);
  }
}
