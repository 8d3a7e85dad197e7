export { assembleImage, type ImageParts } from './assemble.js';
export { chainIds } from './chain-id.js';
export { digestAlgorithm, digestHex, isDigest, parseDigest, sha256 } from './digest.js';
export { parseImageConfig } from './image-config.js';
export { decodeJson, type JsonLimits, maxDocumentBytes } from './json.js';
export type { JsonObject, JsonValue } from './json-value.js';
export {
  type ImageIndex,
  type ImageManifest,
  type IndexEntry,
  type ParsedManifest,
  parseManifest,
} from './manifest.js';
export {
  isConfigType,
  isIndexType,
  isLayerType,
  isManifestType,
  isSchema1Type,
  MediaType,
  mediaTypeOf,
} from './media-types.js';
export { choosePlatform, formatPlatform, hostPlatform } from './platform.js';
export { formatReference, parseReference } from './reference.js';
export { parseRegistry } from './registry-name.js';
