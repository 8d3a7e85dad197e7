import type { CallOptions, RegistryClient } from '@gantry/interface';
import type { WebOptions } from '@gantry/registry-client';
import type { BlobStore } from './blob-store.js';
import type { StoreFolders } from './folders.js';

/** What importers and exporters are given of the store. */
export interface StoreParts {
  readonly folders: StoreFolders;
  /** Of an import: every blob that is asked for or written through it is kept from garbage collection until the import is over. */
  readonly blobs: BlobStore;
  readonly registry: RegistryClient;
  /** How appc discovery fetches pages and images. */
  readonly web?: StoreWebOptions | undefined;
}

/** Settings of requests that go to no registry; all have defaults. */
export type StoreWebOptions = Omit<WebOptions, keyof CallOptions>;
