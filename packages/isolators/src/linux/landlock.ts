import { errnoOf, type Isolator, type LandlockRules } from '@gantry/interface';
import { addon } from '@gantry/native';
import { refused } from '../errors.js';

const name = 'linux/landlock';

/** What this kernel has of Landlock: the version of its interface, or 0 and why there is none. */
export interface LandlockSupport {
  readonly abi: number;
  readonly problem?: string;
  readonly remedy?: string;
}

/** What is asked for, the version of Landlock that brought it, and the Linux that has that. */
const needs: readonly (readonly [
  asks: (rules: LandlockRules) => boolean,
  field: string,
  abi: number,
  kernel: string,
])[] = [
  // Before it nothing would hold truncate(2) back.
  [({ paths }) => paths !== undefined, 'paths', 3, '6.2'],
  [({ tcp }) => tcp?.bind !== undefined || tcp?.connect !== undefined, 'tcp', 4, '6.7'],
  [({ scopes = [] }) => scopes.length > 0, 'scopes', 6, '6.12'],
];

/** `linux/landlock`: the files, ports and processes that a container can reach at most; nothing unless its spec asks. */
export function linuxLandlock(support: () => LandlockSupport = landlockSupport): Isolator {
  return {
    name,
    async edits({ spec: { landlock } }) {
      if (!landlock) return {};
      checkSupport(landlock, support());
      return { landlock };
    },
  };
}

/** `REFUSED`, with the field, where the kernel's Landlock cannot hold all that is asked for. */
export function checkSupport(rules: LandlockRules, { abi, problem, remedy }: LandlockSupport): void {
  // The greatest is named, so that one change of the host is enough.
  const missing = needs.filter(([asks, , needed]) => asks(rules) && needed > abi).at(-1);
  if (!missing) return;
  const [, part, needed, kernel] = missing;
  const field = `spec.landlock.${part}`;
  throw refused(
    name,
    `${field} takes version ${needed} of Landlock, and ${problem ?? `this kernel has version ${abi}`}`,
    remedy ?? `use Linux ${kernel} or later, or leave it out`,
    { details: { field, needed, abi } },
  );
}

/** For people: a version of Landlock, and what of `spec.landlock` it can hold. */
export function landlockAbilities(abi: number): string {
  const held = needs.filter(([, , needed]) => needed <= abi).map(([, field]) => field);
  return `version ${abi}: ${held.length > 0 ? held.join(', ') : 'none of paths, tcp, scopes'}`;
}

let known: LandlockSupport | undefined;

/** Asks the kernel, which does not change while we run. */
export function landlockSupport(): LandlockSupport {
  known ??= askKernel();
  return known;
}

function askKernel(): LandlockSupport {
  try {
    return { abi: addon().landlockAbi() };
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === 'EOPNOTSUPP') {
      return {
        abi: 0,
        problem: 'it was not switched on at the boot',
        remedy: "boot with landlock among the modules of 'lsm='",
      };
    }
    const problem = errno === 'ENOSYS' ? 'this kernel has none' : `it cannot be asked for (${errno ?? String(error)})`;
    return { abi: 0, problem, remedy: 'use a kernel with CONFIG_SECURITY_LANDLOCK' };
  }
}
