import type { Console } from '../console.js';
import { exitCode } from '../exit-code.js';
import { type GlobalOptions, openContainerizer } from '../places.js';
import { attachAndWait } from './run.js';

export interface AttachCommandOptions extends GlobalOptions {
  readonly interactive?: boolean;
  readonly tty?: boolean;
}

/**
 * `gantry attach`: shows what a container writes from now on, and gives it what is typed; returns its exit code, or 0 if the
 * caller detached. An interrupt detaches, too.
 */
export async function attach(
  id: string,
  options: AttachCommandOptions,
  console: Console,
  signal: AbortSignal,
): Promise<number> {
  await using containerizer = await openContainerizer(options, (line) => console.stderr.write(`gantry: ${line}\n`));
  const termination = await attachAndWait(containerizer, id, console, { ...options, from: 'now', signal });
  return termination ? exitCode(termination.exit) : 0;
}
