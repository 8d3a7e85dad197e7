export type { Addon } from './addon.js';
export { addon, packageFolder } from './addon.js';
export type * from './filesystem.js';
export type * from './process.js';
export { shimPath } from './shim.js';
