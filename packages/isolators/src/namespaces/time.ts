import { existsSync } from 'node:fs';
import type { Isolator } from '@gantry/interface';
import { refused } from '../errors.js';

const name = 'namespaces/time';

/** `namespaces/time`: clocks of the container's own, if the spec asks for other ones than the host's. */
export function namespacesTime(): Isolator {
  return {
    name,
    async edits({ spec }) {
      const { timeOffsets } = spec;
      if (timeOffsets === undefined) return {};
      if (!existsSync('/proc/self/ns/time')) {
        throw refused(name, 'the kernel has no time namespaces', 'use Linux 5.6 or later, built with CONFIG_TIME_NS');
      }
      const { monotonic, boottime } = timeOffsets;
      return {
        namespaces: [{ type: 'time' }],
        timeOffsets: {
          ...(monotonic === undefined ? {} : { monotonic: { secs: monotonic, nanosecs: 0 } }),
          ...(boottime === undefined ? {} : { boottime: { secs: boottime, nanosecs: 0 } }),
        },
      };
    },
  };
}
