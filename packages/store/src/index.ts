export { createImageStore, type ImageStoreOptions } from './image-store.js';
