export {
  type GarbageCollectorOptions,
  type RunningGarbageCollector,
  startGarbageCollector,
} from './garbage/timer.js';
export { createImageStore, type ImageStoreOptions } from './image-store.js';
export type { StoreWebOptions } from './store-parts.js';
