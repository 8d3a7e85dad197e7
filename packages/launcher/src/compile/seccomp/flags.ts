import { invalid, unsupported } from '../refusal.js';

const ofListeners = 'SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV';
const ofThreads = 'SECCOMP_FILTER_FLAG_TSYNC';

/** `SECCOMP_FILTER_FLAG_*` of linux/seccomp.h. */
const flags: ReadonlyMap<string, number> = new Map([
  [ofThreads, 1],
  ['SECCOMP_FILTER_FLAG_LOG', 2],
  ['SECCOMP_FILTER_FLAG_SPEC_ALLOW', 4],
  [ofListeners, 32],
]);

/** The bits of some flags. `UNSUPPORTED` for one that is none, `INVALID_DOCUMENT` for one that the kernel takes only with a listener, or never with one. */
export function compileFlags(names: readonly string[], hasListener: boolean): number {
  let bits = 0;
  names.forEach((name, index) => {
    const bit = flags.get(name);
    if (bit === undefined) {
      throw unsupported(
        `linux.seccomp.flags[${index}]`,
        `${JSON.stringify(name)} is not supported; use ${[...flags.keys()].join(', ')}`,
      );
    }
    if (name === (hasListener ? ofThreads : ofListeners)) {
      const why = hasListener ? 'does not go with SCMP_ACT_NOTIFY' : 'is of SCMP_ACT_NOTIFY, which no rule has';
      throw invalid(`linux.seccomp.flags[${index}]`, `${name} ${why}: leave it out`);
    }
    bits |= bit;
  });
  return bits;
}
