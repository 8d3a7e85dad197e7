import { probe as probeHost } from '@gantry/containerizer';
import { type Console, formatTable } from '../console.js';
import type { GlobalOptions } from '../places.js';

/** `gantry probe`: what this host can do for containers, and what to change for the rest. */
export async function probe({ root }: GlobalOptions, console: Console, signal: AbortSignal): Promise<number> {
  const abilities = await probeHost({ root, signal });
  const rows = abilities.map(({ name, works, reason, remedy, detail }) => [
    name,
    works ? 'yes' : 'no',
    works ? (detail ?? '') : `${reason ?? ''}: ${remedy ?? ''}`,
  ]);
  console.stdout.write(formatTable(['ABILITY', 'WORKS', 'DETAIL'], rows));
  return 0;
}
