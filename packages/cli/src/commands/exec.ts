import { constants } from 'node:os';
import type { ExecSpec } from '@gantry/interface';
import type { Console } from '../console.js';
import { exitCode } from '../exit-code.js';
import { type GlobalOptions, openContainerizer } from '../places.js';
import { parseVariables } from '../variables.js';

export interface ExecOptions extends GlobalOptions {
  readonly interactive?: boolean;
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
    ...(options.user === undefined ? {} : { user: options.user }),
    ...(options.workdir === undefined ? {} : { workingDir: options.workdir }),
  };
  await using containerizer = await openContainerizer(options, (line) => console.stderr.write(`gantry: ${line}\n`));
  await using entered = await containerizer.exec(id, spec, { signal });
  // Its streams are then read to their end. If there is nobody to be asked, the exit says so.
  const end = () => void entered.signal(constants.signals.SIGKILL).catch(() => undefined);
  if (signal.aborted) end();
  else signal.addEventListener('abort', end, { once: true });
  if (options.interactive) console.stdin.pipe(entered.stdin);
  else entered.stdin.end();
  const copy = async (name: 'stdout' | 'stderr') => {
    for await (const chunk of entered[name]) console[name].write(chunk);
  };
  const [exit] = await Promise.all([entered.exit, copy('stdout'), copy('stderr')]);
  signal.removeEventListener('abort', end);
  // Else a terminal that nobody types at would keep the command from ending.
  console.stdin.unpipe(entered.stdin).pause();
  return exitCode(exit);
}
