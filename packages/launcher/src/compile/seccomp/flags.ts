import { unsupported } from '../refusal.js';

/** `SECCOMP_FILTER_FLAG_*` of linux/seccomp.h. */
const flags: ReadonlyMap<string, number> = new Map([
  ['SECCOMP_FILTER_FLAG_TSYNC', 1],
  ['SECCOMP_FILTER_FLAG_LOG', 2],
  ['SECCOMP_FILTER_FLAG_SPEC_ALLOW', 4],
]);

/** The bits of some flags. `UNSUPPORTED` for one that is none, or is about listeners. */
export function compileFlags(names: readonly string[]): number {
  let bits = 0;
  names.forEach((name, index) => {
    const bit = flags.get(name);
    if (bit === undefined) {
      throw unsupported(
        `linux.seccomp.flags[${index}]`,
        `${JSON.stringify(name)} is not supported; use ${[...flags.keys()].join(', ')}`,
      );
    }
    bits |= bit;
  });
  return bits;
}
