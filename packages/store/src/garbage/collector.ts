import { rm, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { removeTree } from '@gantry/archive';
import { formatReference, parseReference } from '@gantry/image-spec';
import { errnoOf, type GarbageOptions, type GarbageReport, throwIfAborted } from '@gantry/interface';
import type { BlobStore } from '../blob-store.js';
import { ensureFolder } from '../durable.js';
import type { StoreFolders } from '../folders.js';
import type { LayerStore } from '../layer-store.js';
import type { LayoutIndex } from '../layout-index.js';
import { ownedName, sweepAbandoned } from '../owned-name.js';
import type { ReferenceStore } from '../reference-store.js';
import { chooseGarbage, type GarbageChoice, type GarbagePolicy } from './choice.js';
import type { CollectorNotices } from './collector-notices.js';
import { Retirement } from './retirement.js';
import type { Stock, StoreInventory } from './store-inventory.js';

const what = 'garbage collection';
const fullErrnos: ReadonlySet<string> = new Set(['ENOSPC', 'EDQUOT']);

export interface CollectorParts {
  readonly folders: StoreFolders;
  readonly blobs: BlobStore;
  readonly layers: LayerStore;
  readonly references: ReferenceStore;
  readonly index: LayoutIndex;
  readonly inventory: StoreInventory;
  readonly notices: CollectorNotices;
}

/** What one round has moved out of its place. */
interface Retired {
  readonly references: string[];
  /** Blobs. */
  readonly files: string[];
  /** Layers. */
  readonly trees: string[];
  bytes: number;
}

/**
 * Removes what nobody needs, in rounds: under a notice it looks, chooses and moves; after the notice it removes.
 * Any number of collectors may run at once. docs/store.md has the protocol.
 */
export class GarbageCollector {
  readonly #parts: CollectorParts;

  constructor(parts: CollectorParts) {
    this.#parts = parts;
  }

  async collect(options: GarbageOptions): Promise<GarbageReport> {
    const { dryRun = false, signal } = options;
    const { folders, layers, index } = this.#parts;
    const exclude = new Set((options.exclude ?? []).map((text) => formatReference(parseReference(text))));
    if (!dryRun) {
      for (const folder of [folders.references, folders.ingest]) await ensureFolder(folder);
      await sweepAbandoned(folders.ingest, (path) => rm(path, { force: true }));
      await layers.sweep();
    }
    const total = { references: [] as string[], blobs: 0, layers: 0, bytes: 0 };
    for (;;) {
      throwIfAborted(signal, what);
      const policy = await this.#policy(options, exclude);
      // Without a notice, so that nobody waits where there is nothing to do.
      const stock = policy && (await this.#parts.inventory.take());
      const choice = stock && chooseGarbage(stock, policy);
      if (!choice || isEmpty(choice)) return total;
      if (dryRun) return asReport(stock, choice);
      const retired = await this.#retire(policy);
      await this.#remove(retired);
      if (retired.files.length > 0) await index.publish();
      total.references.push(...retired.references);
      total.blobs += retired.files.length;
      total.layers += retired.trees.length;
      total.bytes += retired.bytes;
      if (retired.references.length + retired.files.length + retired.trees.length === 0) return total;
    }
  }

  /** Undefined if there is space enough. */
  async #policy(options: GarbageOptions, exclude: ReadonlySet<string>): Promise<GarbagePolicy | undefined> {
    const { olderThanMs = 0, untilFreeBytes } = options;
    const usedSince = olderThanMs > 0 ? Date.now() - olderThanMs : Number.POSITIVE_INFINITY;
    if (untilFreeBytes === undefined) return { usedSince, exclude };
    const neededBytes = untilFreeBytes - (await freeBytes(this.#parts.folders.root));
    return neededBytes > 0 ? { usedSince, exclude, neededBytes } : undefined;
  }

  async #retire(policy: GarbagePolicy): Promise<Retired> {
    const notice = await this.#parts.notices.post();
    try {
      const stock = await this.#parts.inventory.take();
      return await this.#move(stock, chooseGarbage(stock, policy), new Retirement(notice));
    } finally {
      await notice.withdraw();
    }
  }

  async #move(stock: Stock, choice: GarbageChoice, retirement: Retirement): Promise<Retired> {
    // What only those references led to is of the next round: by then it is known which of them really went.
    if (choice.references.length > 0) return this.#moveReferences(choice, retirement);
    const { blobs, layers } = this.#parts;
    const retired: Retired = nothing();
    for (const digest of choice.blobs) {
      if (!retirement.goesOn()) break;
      const aside = await this.#asidePath();
      if (!(await retirement.move(blobs.path(digest), aside, 'file'))) continue;
      retired.files.push(aside);
      retired.bytes += stock.blobs.get(digest) ?? 0;
    }
    for (const chainId of choice.layers) {
      const path = stock.layerPaths.get(chainId);
      if (path === undefined || !retirement.goesOn()) break;
      const aside = await layers.asidePath();
      if (!(await retirement.move(path, aside, 'folder'))) continue;
      retired.trees.push(aside);
      retired.bytes += stock.layers.get(chainId) ?? 0;
    }
    return retired;
  }

  async #moveReferences(choice: GarbageChoice, retirement: Retirement): Promise<Retired> {
    const { references, index } = this.#parts;
    const retired: Retired = nothing();
    for (const reference of choice.references) {
      if (!retirement.goesOn()) break;
      if (await references.retire(reference, retirement)) retired.references.push(reference);
    }
    // Before their blobs go: so that they do not come back after a power cut, and no other tool goes by them.
    await references.sync();
    try {
      await index.publish();
    } catch (error) {
      // On a full disk it can be written only when there is space again, which is what the next round is for.
      if (!fullErrnos.has(errnoOf(error) ?? '')) throw error;
    }
    return retired;
  }

  async #remove({ files, trees }: Retired): Promise<void> {
    for (const file of files) await rm(file, { force: true });
    for (const tree of trees) await removeTree(tree);
  }

  async #asidePath(): Promise<string> {
    return join(this.#parts.folders.ingest, await ownedName());
  }
}

/** Of the file system of a folder; without end where there is none, and so nothing to collect. */
async function freeBytes(folder: string): Promise<number> {
  try {
    const { bavail, bsize } = await statfs(folder);
    return bavail * bsize;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return Number.POSITIVE_INFINITY;
    throw error;
  }
}

function nothing(): Retired {
  return { references: [], files: [], trees: [], bytes: 0 };
}

function isEmpty({ references, blobs, layers }: GarbageChoice): boolean {
  return references.length + blobs.length + layers.length === 0;
}

function asReport(stock: Stock, { references, blobs, layers }: GarbageChoice): GarbageReport {
  const sizes = [
    ...blobs.map((digest) => stock.blobs.get(digest) ?? 0),
    ...layers.map((chainId) => stock.layers.get(chainId) ?? 0),
  ];
  return {
    references,
    blobs: blobs.length,
    layers: layers.length,
    bytes: sizes.reduce((sum, size) => sum + size, 0),
  };
}
