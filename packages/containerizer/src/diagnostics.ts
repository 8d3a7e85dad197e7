import { channel } from 'node:diagnostics_channel';
import type { ContainerId } from '@gantry/interface';

/** The diagnostics channel (node:diagnostics_channel) on which every step of every launch is told when it is over: a {@link LaunchStep}. */
export const launchStepChannel = 'gantry:launch:step';

/** A step of a launch, well ended or not. */
export interface LaunchStep {
  readonly id: ContainerId;
  /** A key of `ContainerStatus.timings`; some come more than once a launch. */
  readonly step: string;
  /** When it began, on the clock of `performance.now()`. */
  readonly start: number;
  /** Milliseconds. */
  readonly duration: number;
}

const steps = channel(launchStepChannel);

/** What a subscriber throws is told as an uncaught exception, by node:diagnostics_channel itself. */
export function tellStep(step: LaunchStep): void {
  if (steps.hasSubscribers) steps.publish(step);
}
