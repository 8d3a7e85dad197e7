export { compilePlan, type ShimPlan } from './compile/plan.js';
export { createLauncher, type LauncherOptions } from './launcher.js';
