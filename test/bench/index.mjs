export { measureLaunch } from './launch.mjs';
export { aloneTable, execTable, launchTable, missedGoals } from './launch-table.mjs';
export { machine } from './machine.mjs';
