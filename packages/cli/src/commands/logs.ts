import type { Console } from '../console.js';
import { type GlobalOptions, openContainerizer } from '../places.js';
import { writeTo } from '../streams.js';

export interface LogsOptions {
  readonly follow?: boolean;
  readonly timestamps?: boolean;
  readonly since?: number;
  readonly tail?: number;
}

/** `gantry logs`: what a container wrote, each stream to its own; with `--follow` until it ends or the caller interrupts. */
export async function logs(
  id: string,
  options: GlobalOptions & LogsOptions,
  console: Console,
  signal: AbortSignal,
): Promise<number> {
  await using containerizer = await openContainerizer(options, (line) => console.stderr.write(`gantry: ${line}\n`));
  const { follow = false, since, tail } = options;
  const chosen = { follow, ...(since === undefined ? {} : { since }), ...(tail === undefined ? {} : { tail }) };
  for await (const entry of containerizer.logs(id, { ...chosen, signal })) {
    if (options.timestamps) await writeTo(console[entry.stream], `${new Date(entry.at).toISOString()} `);
    await writeTo(console[entry.stream], entry.data);
  }
  return 0;
}
