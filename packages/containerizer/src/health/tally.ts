/** What is known of a container's health: nothing until its answers decide. */
export type HealthState = 'unknown' | 'healthy' | 'unhealthy';

/** What the answers so far come to. */
export interface HealthTally {
  readonly state: HealthState;
  /** Answers in a row that were the same as the last: above 0 successes, below 0 failures. */
  readonly streak: number;
  /** Whether any answer was a success. */
  readonly hasSucceeded: boolean;
}

/** How many answers in a row decide. */
export interface HealthThresholds {
  readonly successes: number;
  readonly failures: number;
}

/** Before the first answer. */
export const noAnswers: HealthTally = { state: 'unknown', streak: 0, hasSucceeded: false };

/**
 * The tally with one more answer. `inGrace`: the container is still starting, so that a failure counts only if it has succeeded
 * before.
 */
export function addAnswer(
  before: HealthTally,
  healthy: boolean,
  inGrace: boolean,
  { successes, failures }: HealthThresholds,
): HealthTally {
  if (!healthy && inGrace && !before.hasSucceeded) return before;
  const streak = healthy ? Math.max(before.streak, 0) + 1 : Math.min(before.streak, 0) - 1;
  const hasSucceeded = before.hasSucceeded || healthy;
  if (streak >= successes) return { state: 'healthy', streak, hasSucceeded };
  if (streak <= -failures) return { state: 'unhealthy', streak, hasSucceeded };
  return { state: before.state, streak, hasSucceeded };
}
