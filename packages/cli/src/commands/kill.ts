import type { Console } from '../console.js';
import { eachContainer } from '../each-container.js';
import { type GlobalOptions, openContainerizer } from '../places.js';

/** `gantry kill`: a signal to the first process of each container; SIGKILL unless another is named. */
export async function kill(
  ids: readonly string[],
  options: GlobalOptions & { readonly signal: string },
  console: Console,
): Promise<number> {
  await using containerizer = await openContainerizer(options, (line) => console.stderr.write(`gantry: ${line}\n`));
  return await eachContainer(ids, console, async (id) => {
    await containerizer.kill(id, options.signal);
  });
}
