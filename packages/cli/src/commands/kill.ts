import type { Console } from '../console.js';
import { type GlobalOptions, openContainerizer } from '../places.js';

/** `gantry kill`: a signal to the first process of each container; SIGKILL unless another is named. */
export async function kill(
  ids: readonly string[],
  options: GlobalOptions & { readonly signal: string },
  console: Console,
): Promise<number> {
  await using containerizer = await openContainerizer(options, (line) => console.stderr.write(`gantry: ${line}\n`));
  for (const id of ids) {
    await containerizer.kill(id, options.signal);
    console.stdout.write(`${id}\n`);
  }
  return 0;
}
