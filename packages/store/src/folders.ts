import { join } from 'node:path';

/** Where everything of a store is. All of it is on one file system, so that a rename moves between any two. */
export interface StoreFolders {
  readonly root: string;
  /** The OCI image layout. */
  readonly layout: string;
  /** One small file a reference. */
  readonly references: string;
  /** Files being written. */
  readonly ingest: string;
  /** Layer trees being unpacked or removed. */
  readonly staging: string;
  /** Layer trees, by boot and chain. */
  readonly layers: string;
  /** One small file a lease. */
  readonly leases: string;
  /** What calls in progress need, see `Holds`. */
  readonly holds: string;
  /** Collectors that are at it, see `Quiescence`. */
  readonly collectors: string;
}

export function storeFolders(root: string): StoreFolders {
  return {
    root,
    layout: join(root, 'layout'),
    references: join(root, 'references'),
    ingest: join(root, 'ingest'),
    staging: join(root, 'staging'),
    layers: join(root, 'layers'),
    leases: join(root, 'leases'),
    holds: join(root, 'holds'),
    collectors: join(root, 'collectors'),
  };
}
