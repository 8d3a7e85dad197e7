import type { ImageConfig } from '@gantry/interface';
import type { HealthCheck } from './check.js';

/** Docker's, for what an image leaves open. */
const defaults = { intervalMs: 30_000, timeoutMs: 30_000, gracePeriodMs: 0, failures: 3 };

/** The check that an image asks for (Docker's `HEALTHCHECK`), for {@link checkHealth}; undefined if it asks for none. */
export function imageHealthCheck({ healthCheck }: Pick<ImageConfig, 'healthCheck'>): HealthCheck | undefined {
  if (healthCheck === undefined) return undefined;
  return {
    type: 'command',
    command: healthCheck.command,
    intervalMs: healthCheck.intervalMs ?? defaults.intervalMs,
    timeoutMs: healthCheck.timeoutMs ?? defaults.timeoutMs,
    gracePeriodMs: healthCheck.startPeriodMs ?? defaults.gracePeriodMs,
    failures: healthCheck.retries ?? defaults.failures,
  };
}
