export { type ContainerizerOptions, createContainerizer } from './create.js';
export { type LaunchStep, launchStepChannel } from './diagnostics.js';
export { GantryContainerizer } from './gantry-containerizer.js';
export { ContainerLeases } from './leases.js';
export { type MergedDocument, mergeEdits, type NamedEdits } from './merge.js';
export type { ContainerizerParts } from './parts.js';
export { parseSignal, signalName } from './signals.js';
export { transitions } from './states.js';
