export type { CsiDriver, VolumeCsiOptions } from './csi/options.js';
export { volumeCsi } from './csi/volume.js';
