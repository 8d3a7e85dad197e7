import { createHash } from 'node:crypto';
import { lstatSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import { isDigest } from '@gantry/image-spec';
import { type Digest, errnoOf, GantryError, type Image, type LeaseRecord } from '@gantry/interface';
import { inFolders, syncFolder, writeFileAtomic } from './durable.js';
import { namesIn } from './folder-names.js';
import type { StoreFolders } from './folders.js';
import { blobsOf } from './image-blobs.js';
import { readRecord } from './json-record.js';
import { Turns } from './turns.js';

const version = 1;
const maxRecordBytes = 4 * 1024 * 1024;
const idGrammar = /^[A-Za-z0-9._/-]{1,255}$/;

/** A lease with all that it keeps, so that nobody has to read manifests to know. */
export interface StoredLease extends LeaseRecord {
  readonly blobs: readonly Digest[];
  /** Chain ids. */
  readonly layers: readonly Digest[];
}

/** One durable file a lease, named by the hash of its id. */
export class LeaseStore {
  readonly #folders: StoreFolders;

  constructor(folders: StoreFolders) {
    this.#folders = folders;
  }

  /** On disk when it resolves. */
  async write(id: string, images: readonly Image[]): Promise<void> {
    const lease: StoredLease = {
      id,
      images: [...new Set(images.map((image) => image.digest))],
      time: new Date().toISOString(),
      blobs: [...new Set(images.flatMap(blobsOf).map((blob) => blob.digest))],
      layers: [...new Set(images.flatMap((image) => image.layers.map((layer) => layer.chainId)))],
    };
    const { leases, ingest } = this.#folders;
    const content = `${JSON.stringify({ version, ...lease })}\n`;
    await inFolders([leases, ingest], () => writeFileAtomic(this.#path(id), content, ingest));
  }

  /** False if there was none. */
  async remove(id: string): Promise<boolean> {
    try {
      unlinkSync(this.#path(id));
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return false;
      throw error;
    }
    await syncFolder(this.#folders.leases);
    return true;
  }

  /** All leases, in order of their ids. `CORRUPT_STATE` for one that cannot be read: nobody may act as if it were not there. */
  async list(): Promise<readonly StoredLease[]> {
    const leases: StoredLease[] = [];
    const turns = new Turns();
    for (const name of await namesIn(this.#folders.leases)) {
      await turns.pause();
      const lease = this.#read(name);
      if (lease) leases.push(lease);
    }
    return leases.sort((a, b) => (a.id < b.id ? -1 : 1));
  }

  /** Undefined for one that was released meanwhile. */
  #read(name: string): StoredLease | undefined {
    const path = join(this.#folders.leases, name);
    for (let before = identityOf(path); before !== undefined; before = identityOf(path)) {
      const record = readRecord(path, maxRecordBytes);
      const lease = record && parseLease(record);
      if (lease && fileName(lease.id) === name) return lease;
      // Else it was released, and perhaps taken again, between the two looks.
      if (identityOf(path) === before) throw unreadable(path);
    }
    return undefined;
  }

  #path(id: string): string {
    return join(this.#folders.leases, fileName(id));
  }
}

/** `INVALID_ARGUMENT` for an id outside the grammar. */
export function checkLeaseId(id: string): void {
  if (typeof id === 'string' && idGrammar.test(id)) return;
  throw new GantryError(
    'INVALID_ARGUMENT',
    `lease id ${JSON.stringify(id)}: want 1 to 255 letters, digits, dots, underscores, slashes and dashes`,
    { details: { field: 'id' } },
  );
}

/** Tells a file from one that has taken its place. */
function identityOf(path: string): string | undefined {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  return stat && `${stat.ino} ${stat.ctimeMs}`;
}

function fileName(id: string): string {
  return `${createHash('sha256').update(id).digest('hex')}.json`;
}

function parseLease(record: Readonly<Record<string, unknown>>): StoredLease | undefined {
  const { id, images, time, blobs, layers } = record;
  if (record['version'] !== version || typeof id !== 'string' || typeof time !== 'string') return undefined;
  if (!isDigests(images) || !isDigests(blobs) || !isDigests(layers)) return undefined;
  return { id, images, time, blobs, layers };
}

function isDigests(value: unknown): value is readonly Digest[] {
  return Array.isArray(value) && value.every((item) => typeof item === 'string' && isDigest(item));
}

function unreadable(path: string): GantryError {
  return new GantryError(
    'CORRUPT_STATE',
    `lease file ${path} is damaged or of a later version: remove it once nothing runs that may have taken it`,
    { details: { path } },
  );
}
