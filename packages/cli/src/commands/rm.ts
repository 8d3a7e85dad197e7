import type { Console } from '../console.js';
import { eachContainer } from '../each-container.js';
import { type GlobalOptions, openContainerizer } from '../places.js';

/** `gantry rm`: forgets ended containers with their logs; `--force` ends running ones first. */
export async function rm(
  ids: readonly string[],
  options: GlobalOptions & { readonly force?: boolean },
  console: Console,
): Promise<number> {
  await using containerizer = await openContainerizer(options, (line) => console.stderr.write(`gantry: ${line}\n`));
  return await eachContainer(ids, console, async (id) => {
    if (options.force) await containerizer.destroy(id);
    await containerizer.remove(id);
  });
}
