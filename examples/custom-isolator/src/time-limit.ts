import { setTimeout as pause } from 'node:timers/promises';
import { GantryError, type Isolator } from '@gantry/interface';

const label = 'example.org/seconds';

/** What the spec's label says, checked. */
function secondsOf(labels: Readonly<Record<string, string>> | undefined): number | undefined {
  const text = labels?.[label];
  if (text === undefined) return undefined;
  const seconds = Number(text);
  if (seconds > 0 && seconds <= 86_400) return seconds;
  throw new GantryError('REFUSED', `example/time: the label ${label} is '${text}'; give it seconds, up to a day`, {
    details: { isolator: 'example/time' },
  });
}

/**
 * `example/time`: ends a container that runs longer than its label `example.org/seconds` says, and tells it so in its
 * environment. It keeps what it has to know in memory, so a container is under no limit after a restart of the host program: one
 * that is to be would write it to a file in `prepare`, read that in `watch`, and remove it in `cleanup`.
 */
export function timeLimit(): Isolator {
  const limits = new Map<string, number>();
  return {
    name: 'example/time',
    after: ['docker/runtime'],
    async edits({ spec }) {
      const seconds = secondsOf(spec.labels);
      return seconds === undefined ? {} : { env: { SECONDS_TO_LIVE: String(seconds) } };
    },
    async prepare({ id, spec }) {
      const seconds = secondsOf(spec.labels);
      if (seconds !== undefined) limits.set(id, seconds);
    },
    async watch(id, { signal }) {
      const seconds = limits.get(id);
      if (seconds === undefined) return undefined;
      // Aborted when the container has ended by itself.
      await pause(seconds * 1000, undefined, { signal, ref: false }).catch(() => undefined);
      return signal.aborted
        ? undefined
        : { isolator: 'example/time', resource: 'cpu', message: `it ran for ${seconds} seconds, which is all it had` };
    },
    async cleanup(id) {
      limits.delete(id);
    },
  };
}
