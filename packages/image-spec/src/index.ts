export type { AppcApp, AppcEventHandler, AppcMountPoint, AppcPort } from './appc/app.js';
export { type AppcRenderStep, orderAppcDependencies, type ResolvedAppcImage } from './appc/dependencies.js';
export { type AppcDiscoveryUrls, type AppcImageUrls, appcDiscoveryUrls } from './appc/discovery.js';
export { appcImageConfig } from './appc/image-config.js';
export { appcImageId, digestOfAppcImageId } from './appc/image-id.js';
export {
  type AppcDependency,
  type AppcImageManifest,
  matchesAppcRequest,
  parseAppcImageManifest,
} from './appc/image-manifest.js';
export type { AppcIsolation } from './appc/isolation.js';
export type { AppcIsolator, AppcSeccompSet } from './appc/isolators.js';
export { type AppcMeta, parseAppcMeta } from './appc/meta.js';
export { whitelistFilter } from './appc/path-whitelist.js';
export { type AppcPod, type AppcPodApp, type AppcPodMount, type AppcPodPort, appcPod } from './appc/pod.js';
export {
  type AppcExposedPort,
  type AppcMount,
  type AppcPodManifest,
  type AppcRuntimeApp,
  type AppcRuntimeImage,
  parseAppcPodManifest,
} from './appc/pod-manifest.js';
export { type AppcPodSpec, appcPodSpec } from './appc/pod-spec.js';
export type { AppcVolume } from './appc/volume.js';
export { assembleImage, type ImageParts } from './assemble.js';
export { chainIds } from './chain-id.js';
export { digestAlgorithm, digestHex, isDigest, parseDigest, sha256 } from './digest.js';
export { type DockerArchiveImage, parseDockerArchiveManifest } from './docker/archive-manifest.js';
export type { VerifiedSignature } from './docker/pretty-signature.js';
export { parseDockerRepositories } from './docker/repositories.js';
export {
  parseSchema1Manifest,
  type Schema1Layer,
  type Schema1Manifest,
  schema1Config,
} from './docker/schema1-manifest.js';
export { v1ImageConfig } from './docker/v1-config.js';
export { parseV1Image, type V1Image, v1ImageChain } from './docker/v1-image.js';
export { healthCheckFields } from './health-check.js';
export { parseImageConfig } from './image-config.js';
export { decodeJson, type JsonLimits, maxDocumentBytes } from './json/decode-json.js';
export type { JsonObject, JsonValue } from './json/json-value.js';
export {
  isConfigType,
  isForeignLayerType,
  isIndexType,
  isLayerType,
  isManifestType,
  isSchema1Type,
  MediaType,
  mediaTypeOf,
} from './media-types.js';
export { checkOciLayout } from './oci/layout.js';
export {
  artifactTypeOf,
  type ImageIndex,
  type ImageManifest,
  type IndexEntry,
  type ParsedManifest,
  parseManifest,
} from './oci/manifest.js';
export { choosePlatform, formatPlatform, hostPlatform } from './platform.js';
export { formatReference, parseReference } from './reference.js';
export { parseRegistry } from './registry-name.js';
