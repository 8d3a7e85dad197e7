import type { Containerizer, ContainerMount, ContainerSpec, ContainerTermination } from '@gantry/interface';
import { InvalidArgumentError } from 'commander';
import type { Console } from '../console.js';
import { exitCode } from '../exit-code.js';
import { type GlobalOptions, openContainerizer } from '../places.js';
import { showProgress } from '../progress.js';
import { parseVariables } from '../variables.js';

export interface RunOptions extends GlobalOptions {
  readonly id?: string;
  readonly detach?: boolean;
  readonly rm?: boolean;
  readonly env: readonly string[];
  readonly user?: string;
  readonly workdir?: string;
  readonly hostname?: string;
  readonly entrypoint?: string;
  readonly volume: readonly string[];
  readonly readOnly?: boolean;
  readonly network?: 'none' | 'host';
  readonly cpus?: number;
  readonly memory?: number;
  readonly pids?: number;
}

/** `gantry run`: with `--detach` prints the id; else copies the output until the end and returns the container's exit code. */
export async function run(
  image: string,
  args: readonly string[],
  options: RunOptions,
  console: Console,
  signal: AbortSignal,
): Promise<number> {
  const spec = runSpec(image, args, options);
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
  const termination = await follow(containerizer, id, console, signal);
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
    env: parseVariables(options.env),
    ...(options.user === undefined ? {} : { user: options.user }),
    ...(options.workdir === undefined ? {} : { workingDir: options.workdir }),
    ...(options.hostname === undefined ? {} : { hostname: options.hostname }),
    mounts: options.volume.map(parseVolume),
    readonlyRootfs: options.readOnly ?? false,
    network: options.network ?? 'none',
    resources: { limits: { cpus: options.cpus, memory: options.memory, pids: options.pids } },
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
    for await (const entry of containerizer.logs(id, { follow: true })) console[entry.stream].write(entry.data);
  })();
  const [termination] = await Promise.all([Promise.race([containerizer.wait(id), stopped]), copied]);
  return termination;
}
