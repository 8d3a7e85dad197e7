import type { Console } from '../console.js';
import { type GlobalOptions, openContainerizer } from '../places.js';

/** `gantry logs`: what a container wrote, each stream to its own; with `--follow` until it ends or the caller interrupts. */
export async function logs(
  id: string,
  options: GlobalOptions & { readonly follow?: boolean; readonly timestamps?: boolean },
  console: Console,
  signal: AbortSignal,
): Promise<number> {
  await using containerizer = await openContainerizer(options, (line) => console.stderr.write(`gantry: ${line}\n`));
  for await (const entry of containerizer.logs(id, { follow: options.follow ?? false, signal })) {
    if (options.timestamps) console[entry.stream].write(`${new Date(entry.at).toISOString()} `);
    console[entry.stream].write(entry.data);
  }
  return 0;
}
