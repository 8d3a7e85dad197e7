import type { Console } from '../console.js';
import { type GlobalOptions, openContainerizer } from '../places.js';

/** `gantry rm`: forgets ended containers with their logs; `--force` ends running ones first. */
export async function rm(
  ids: readonly string[],
  options: GlobalOptions & { readonly force?: boolean },
  console: Console,
): Promise<number> {
  await using containerizer = await openContainerizer(options, (line) => console.stderr.write(`gantry: ${line}\n`));
  for (const id of ids) {
    if (options.force) await containerizer.destroy(id);
    await containerizer.remove(id);
    console.stdout.write(`${id}\n`);
  }
  return 0;
}
