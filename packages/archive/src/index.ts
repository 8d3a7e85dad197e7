export { type ApplyLayerOptions, applyLayer, removeTree } from './apply-layer.js';
export { defaultBudget, type UnpackBudget } from './budget.js';
export { type Compression, compressionOf, detectCompression } from './compression.js';
export { decompress } from './decompress.js';
export { type ReadTarOptions, readTar } from './read-tar.js';
export type { TarEntry, TarEntryType, TarHeader, TarXattr } from './tar-entry.js';
export type { UnpackResult } from './unpack-layer.js';
export { parseWhiteout, type Whiteout } from './whiteout.js';
