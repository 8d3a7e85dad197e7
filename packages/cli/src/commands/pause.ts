import type { Console } from '../console.js';
import { eachContainer } from '../each-container.js';
import { type GlobalOptions, openContainerizer } from '../places.js';

/** `gantry pause` and `gantry resume`: stops containers where they are, or lets them go on. */
export async function pause(
  ids: readonly string[],
  paused: boolean,
  options: GlobalOptions,
  console: Console,
): Promise<number> {
  await using containerizer = await openContainerizer(options, (line) => console.stderr.write(`gantry: ${line}\n`));
  return await eachContainer(ids, console, async (id) => {
    await (paused ? containerizer.pause(id) : containerizer.resume(id));
  });
}
