export type { Addon } from './addon.js';
export { addon, packageFolder } from './addon.js';
export type * from './blob.js';
export type * from './control-group.js';
export type * from './copy.js';
export type * from './descriptors.js';
export type * from './disk.js';
export type * from './filesystem.js';
export { findProgram } from './find-program.js';
export { idmapObstacle } from './idmap.js';
export type * from './landlock.js';
export type * from './mount.js';
export type * from './poll-watch.js';
export type * from './process.js';
export { shimPath } from './shim.js';
export type * from './tree.js';
export {
  appArmorRestriction,
  explainUserNamespace,
  type Obstacle,
  userNamespaceObstacle,
} from './user-namespace/obstacles.js';
export { idHelpers, type OwnIds, ownIds } from './user-namespace/own-ids.js';
export { runInUserNamespace, type UserNamespaceProgram } from './user-namespace/program.js';
export { ownNames, readSubordinateRanges, type SubordinateRange } from './user-namespace/subordinate-ids.js';
export { mapText, writeIdsWithHelpers } from './user-namespace/write-ids.js';
