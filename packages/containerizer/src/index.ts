export { type ContainerizerOptions, createContainerizer } from './create.js';
export { type LaunchStep, launchStepChannel } from './diagnostics.js';
export { GantryContainerizer } from './gantry-containerizer.js';
export type { HealthCheck, HealthProbe, HealthTimes } from './health/check.js';
export { imageHealthCheck } from './health/image.js';
export type { ProbeTarget } from './health/probe.js';
export type { HealthState } from './health/tally.js';
export {
  checkHealth,
  type HealthOptions,
  type HealthResult,
  type HealthTarget,
  type HealthWatch,
} from './health/watch.js';
export { defaultPlaces, type HostPlaces } from './host-places.js';
export { ContainerLeases } from './leases.js';
export {
  attachLogger,
  type ContainerLogger,
  type LoggedContainer,
  type LoggerOptions,
  type LogSource,
} from './logger.js';
export { type MergedDocument, mergeEdits, type NamedEdits } from './merge.js';
export type { ContainerizerParts } from './parts.js';
export { type ProbeOptions, probe } from './probe.js';
export { parseSignal, signalName } from './signals.js';
export { transitions } from './states.js';
export { PodVolumes } from './volumes.js';
