import { constants } from 'node:os';
import type { ExecSpec, TerminalSize } from '@gantry/interface';
import type { Console } from '../console.js';
import { exitCode } from '../exit-code.js';
import { type GlobalOptions, openContainerizer } from '../places.js';
import { joinStreams, terminalSize } from '../streams.js';
import { parseVariables } from '../variables.js';

export interface ExecOptions extends GlobalOptions {
  readonly interactive?: boolean;
  readonly tty?: boolean;
  readonly env: readonly string[];
  readonly user?: string;
  readonly workdir?: string;
}

/** `gantry exec`: runs a program in a running container and returns its exit code; an interrupt ends the program. */
export async function exec(
  id: string,
  command: readonly string[],
  options: ExecOptions,
  console: Console,
  signal: AbortSignal,
): Promise<number> {
  const spec: ExecSpec = {
    command,
    env: parseVariables(options.env),
    ...(options.tty ? { tty: terminalSize(console) ?? true } : {}),
    ...(options.user === undefined ? {} : { user: options.user }),
    ...(options.workdir === undefined ? {} : { workingDir: options.workdir }),
  };
  await using containerizer = await openContainerizer(options, (line) => console.stderr.write(`gantry: ${line}\n`));
  await using entered = await containerizer.exec(id, spec, { signal });
  // Its streams are then read to their end. If there is nobody to be asked, the exit says so.
  const end = () => void entered.signal(constants.signals.SIGKILL).catch(() => undefined);
  if (signal.aborted) end();
  else signal.addEventListener('abort', end, { once: true });
  if (!options.interactive) entered.stdin.end();
  const { stdout, stderr } = entered;
  const streams = {
    ...(options.interactive ? { stdin: entered.stdin } : {}),
    stdout,
    stderr,
    resize: (size: TerminalSize) => entered.resize(size),
  };
  const outcome = await joinStreams(streams, console, { terminal: options.tty === true });
  signal.removeEventListener('abort', end);
  // Who detaches from a program that ends with this command ends it.
  if (outcome === 'detached') await entered[Symbol.asyncDispose]();
  const exit = await entered.exit;
  return exitCode(exit);
}
