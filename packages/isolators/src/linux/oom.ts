import type { Isolator } from '@gantry/interface';
import { invalidField, refused } from '../errors.js';
import { ownCapabilities, ownOomScoreAdj } from './own-process.js';

const name = 'linux/oom';

/** `linux/oom`: how readily the kernel kills the container when the machine runs out of memory; see proc(5), oom_score_adj. */
export function linuxOom(): Isolator {
  return {
    name,
    async edits({ spec }) {
      const { oomScoreAdj } = spec;
      if (oomScoreAdj === undefined) return {};
      checkOomScoreAdj(oomScoreAdj, ownOomScoreAdj(), ownCapabilities().has('CAP_SYS_RESOURCE'));
      return { oomScoreAdj };
    },
  };
}

/** `REFUSED` if the value is below the host program's own and that lacks the capability to lower it. */
export function checkOomScoreAdj(value: number, own: number, mayLower: boolean): void {
  if (!Number.isInteger(value) || value < -1000 || value > 1000) {
    throw invalidField('spec.oomScoreAdj', `must be a whole number from -1000 to 1000, not ${value}`);
  }
  if (value < own && !mayLower) {
    throw refused(
      name,
      `an oom_score_adj of ${value} is below the host program's own of ${own}, which needs CAP_SYS_RESOURCE`,
      `give the host program that capability, or ask for ${own} or more`,
    );
  }
}
