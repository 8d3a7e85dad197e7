export { measureLaunch } from './launch.mjs';
export { launchTable, missedGoals } from './launch-table.mjs';
export { machine } from './machine.mjs';
