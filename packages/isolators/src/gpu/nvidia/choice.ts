import { invalidField, refused } from '../../errors.js';
import { type Gpu, type HeldGpu, overlap } from './inventory.js';

const field = 'spec.resources.gpus';

/** A GPU that a container has, or is about to. */
export interface TakenGpu extends HeldGpu {
  readonly container: string;
}

/**
 * Chooses GPUs of an inventory: a number of whole ones, the first that are free, or those of the names. `REFUSED`, by `isolator`, if they
 * are not there or taken. Pure.
 */
export function chooseGpus(
  isolator: string,
  wanted: number | readonly string[],
  inventory: readonly Gpu[],
  taken: readonly TakenGpu[],
): readonly Gpu[] {
  if (typeof wanted !== 'number')
    return wanted.map((name, index) => named(isolator, { name, index, wanted, inventory, taken }));
  // A GPU that is divided has nothing to give but its parts.
  const divided = new Set(inventory.filter(({ part }) => part !== undefined).map(({ board }) => board));
  const whole = inventory.filter(({ part, board }) => part === undefined && !divided.has(board));
  const free = whole.filter((gpu) => !taken.some((each) => overlap(each, gpu)));
  if (free.length >= wanted) return free.slice(0, wanted);
  const users = [...new Set(taken.map(({ container }) => container))].join(', ');
  const have = `${free.length} of ${whole.length} whole GPUs ${free.length === 1 ? 'is' : 'are'} free`;
  throw refused(
    isolator,
    `${field}: ${wanted} are asked for, and ${have}${users === '' ? '' : `, beside what ${users} has`}`,
    whole.length < wanted ? 'ask for fewer' : 'destroy a container that has some, or ask for fewer',
    { details: { field, wanted, free: free.length, total: whole.length } },
  );
}

interface Named {
  readonly name: string;
  readonly index: number;
  readonly wanted: readonly string[];
  readonly inventory: readonly Gpu[];
  readonly taken: readonly TakenGpu[];
}

function named(isolator: string, { name, index, wanted, inventory, taken }: Named): Gpu {
  const at = `${field}[${index}]`;
  const gpu = inventory.find(({ names }) => names.includes(name));
  if (!gpu) {
    const known = inventory.flatMap(({ names }) => names).join(', ') || 'none';
    throw refused(isolator, `${at}: there is no GPU ${name}`, `those that there are: ${known}`, {
      details: { field: at, gpu: name },
    });
  }
  if (wanted.findIndex((each) => gpu.names.includes(each)) !== index) throw invalidField(at, `${name} is given twice`);
  const holder = taken.find((each) => overlap(each, gpu));
  if (!holder) return gpu;
  const what = holder.name === gpu.name ? '' : ` with ${holder.name}`;
  throw refused(
    isolator,
    `${at}: the container ${holder.container} has ${name}${what}`,
    'destroy it, or ask for another',
    {
      details: { field: at, gpu: name, container: holder.container },
    },
  );
}
