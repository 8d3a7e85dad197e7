import type { RegistryClient } from '@gantry/interface';
import { BlobStore } from './blob-store.js';
import { type StoreFolders, storeFolders } from './folders.js';
import { GarbageCollector } from './garbage/collector.js';
import { CollectorNotices } from './garbage/collector-notices.js';
import { Holds } from './garbage/holds.js';
import { ImageHolds } from './garbage/image-holds.js';
import { StoreInventory } from './garbage/store-inventory.js';
import { ImageCatalog } from './image-catalog.js';
import { LayerStore } from './layer-store.js';
import { LayoutIndex } from './layout-index.js';
import { LeaseStore } from './lease-store.js';
import { Puller } from './puller.js';
import { ReferenceStore } from './reference-store.js';
import { StoreCheck } from './store-check.js';

/** The parts that a store on a folder works with. */
export interface StoreMachinery {
  readonly folders: StoreFolders;
  readonly registry: RegistryClient;
  readonly blobs: BlobStore;
  readonly references: ReferenceStore;
  readonly index: LayoutIndex;
  readonly catalog: ImageCatalog;
  readonly layers: LayerStore;
  readonly leases: LeaseStore;
  readonly holds: Holds;
  readonly imageHolds: ImageHolds;
  readonly puller: Puller;
  readonly collector: GarbageCollector;
  readonly check: StoreCheck;
}

export interface MachinerySettings {
  /** Absolute. */
  readonly root: string;
  readonly registry: RegistryClient;
  readonly maxConcurrentDownloads: number;
  readonly unpackHoldMs: number;
}

/** Puts them together. */
export function createStoreMachinery(settings: MachinerySettings): StoreMachinery {
  const { registry } = settings;
  const folders = storeFolders(settings.root);
  const blobs = new BlobStore(folders);
  const references = new ReferenceStore(folders);
  const index = new LayoutIndex(folders, references);
  const layers = new LayerStore(folders, blobs);
  const leases = new LeaseStore(folders);
  const notices = new CollectorNotices(folders);
  const holds = new Holds(folders, notices);
  const inventory = new StoreInventory({ blobs, layers, references, leases, holds });
  const catalog = new ImageCatalog(blobs, references);
  const shared = { folders, blobs, references, index, layers, catalog, holds, inventory, notices };
  return {
    ...shared,
    registry,
    leases,
    imageHolds: new ImageHolds(holds, settings.unpackHoldMs),
    puller: new Puller(registry, folders, blobs, settings.maxConcurrentDownloads),
    collector: new GarbageCollector(shared),
    check: new StoreCheck(shared),
  };
}
