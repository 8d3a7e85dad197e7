export {
  type DebianLayer,
  type DebianLayerOptions,
  type DebianLayerRecipe,
  debianLayer,
} from './debian/debian-layer.js';
export type { ImageUser } from './debian/users.js';
export { type BuildConfig, type BuildOptions, buildImage } from './image/build-image.js';
export type { BuiltImage, BuiltLayer } from './image/built-image.js';
export type { LayerEntry, LayerInput, StreamedFile, StreamedLayer } from './image/layer-entry.js';
export { pushImage } from './image/push-image.js';
export { busyboxImage } from './recipes/busybox-image.js';
export type { ImageOptions } from './recipes/debian-image.js';
export { redisImage } from './recipes/redis-image.js';
export type { AuthOptions } from './registry/auth.js';
export type { Fault, FaultBehaviour, FaultMatch } from './registry/faults.js';
export { type RegistryOptions, type RequestRecord, startRegistry, type TestRegistry } from './registry/registry.js';
export type { BearerOptions } from './registry/token-service.js';
