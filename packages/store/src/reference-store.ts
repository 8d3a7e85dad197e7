import { createHash } from 'node:crypto';
import { lstatSync, utimesSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { isDigest } from '@gantry/image-spec';
import { type Descriptor, errnoOf } from '@gantry/interface';
import { moveFile, putBack, syncFolder, writeFileAtomic } from './durable.js';
import { namesIn } from './folder-names.js';
import type { StoreFolders } from './folders.js';
import type { Retirement } from './garbage/retirement.js';
import { fieldsOf, readRecord } from './json-record.js';
import { ownedName } from './owned-name.js';
import { Turns } from './turns.js';

const version = 1;
const maxRecordBytes = 64 * 1024;

/** Use of a reference is recorded at most this often, and for this many references at once. */
const touchEveryMs = 60_000;
const maxKnown = 1024;

/** What a reference stood for when it was pulled last. */
export interface ReferenceRecord {
  /** Canonical, e.g. `docker.io/library/redis:latest`. */
  readonly reference: string;
  /** The manifest or index that the registry gave. */
  readonly descriptor: Descriptor;
  /** When, as in RFC 3339. */
  readonly time: string;
}

/**
 * One file a reference, named by its hash, so that pulls of different images never write the same file. The time of its
 * last modification is that of the last use.
 */
export class ReferenceStore {
  readonly #folders: StoreFolders;
  readonly #touched = new Map<string, number>();
  readonly #fileNames = new Map<string, string>();

  constructor(folders: StoreFolders) {
    this.#folders = folders;
  }

  path(reference: string): string {
    return join(this.#folders.references, this.#fileName(reference));
  }

  /**
   * Undefined for a reference that was never pulled. A record that cannot be read counts as absent: a pull writes it
   * anew. Synchronous for the reason that `BlobStore.has` gives.
   */
  read(reference: string): ReferenceRecord | undefined {
    const record = this.#readFile(this.#fileName(reference));
    return record?.reference === reference ? record : undefined;
  }

  async write(record: ReferenceRecord): Promise<void> {
    const { mediaType, digest, size } = record.descriptor;
    const { reference, time } = record;
    const content = JSON.stringify({ version, reference, descriptor: { mediaType, digest, size }, time });
    await writeFileAtomic(this.path(reference), `${content}\n`, this.#folders.ingest);
  }

  /** False if there was none. Durable when it resolves. */
  async remove(reference: string): Promise<boolean> {
    try {
      await rm(this.path(reference));
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return false;
      throw error;
    }
    await this.sync();
    return true;
  }

  /** As {@link remove}, in a phase of garbage collection; not durable before {@link sync}. */
  async retire(reference: string, retirement: Retirement): Promise<boolean> {
    const aside = join(this.#folders.ingest, await ownedName());
    if (!(await retirement.move(this.path(reference), aside, 'file'))) return false;
    await rm(aside, { force: true });
    return true;
  }

  /** Removes the files that hold no record; their names. */
  async removeUnreadable(): Promise<readonly string[]> {
    const removed: string[] = [];
    for (const name of await namesIn(this.#folders.references)) {
      if (this.#readFile(name)) continue;
      const [path, aside] = [join(this.#folders.references, name), join(this.#folders.ingest, await ownedName())];
      if (!(await moveFile(path, aside))) continue;
      // A pull may have written it anew in the meantime.
      const record = readRecord(aside, maxRecordBytes);
      if (record && parseRecord(record)) await putBack(aside, path);
      else removed.push(name);
      await rm(aside, { recursive: true, force: true });
    }
    return removed;
  }

  /** Makes removals durable. */
  sync(): Promise<void> {
    return syncFolder(this.#folders.references);
  }

  /** Records that the reference is being used. */
  touch(reference: string): void {
    const now = performance.now();
    if (now - (this.#touched.get(reference) ?? Number.NEGATIVE_INFINITY) < touchEveryMs) return;
    if (this.#touched.size >= maxKnown) this.#touched.clear();
    this.#touched.set(reference, now);
    const time = Date.now() / 1000;
    try {
      utimesSync(this.path(reference), time, time);
    } catch {
      // It is gone, or the store is read-only, and then nothing collects in it either: what is asked for works as well.
    }
  }

  /** When the reference was pulled or used last, in milliseconds of the epoch; undefined if it is gone. */
  lastUse(reference: string): number | undefined {
    return lstatSync(this.path(reference), { throwIfNoEntry: false })?.mtimeMs;
  }

  /** All records, in order of their references. */
  async list(): Promise<readonly ReferenceRecord[]> {
    const records: ReferenceRecord[] = [];
    const turns = new Turns();
    for (const name of await namesIn(this.#folders.references)) {
      await turns.pause();
      const record = this.#readFile(name);
      if (record && fileName(record.reference) === name) records.push(record);
    }
    return records.sort((a, b) => (a.reference < b.reference ? -1 : 1));
  }

  /** As {@link fileName}, which every launch asks for. */
  #fileName(reference: string): string {
    const known = this.#fileNames.get(reference);
    if (known !== undefined) return known;
    if (this.#fileNames.size >= maxKnown) this.#fileNames.clear();
    const name = fileName(reference);
    this.#fileNames.set(reference, name);
    return name;
  }

  #readFile(name: string): ReferenceRecord | undefined {
    const record = readRecord(join(this.#folders.references, name), maxRecordBytes);
    return record && parseRecord(record);
  }
}

function fileName(reference: string): string {
  return `${createHash('sha256').update(reference).digest('hex')}.json`;
}

function parseRecord(record: Readonly<Record<string, unknown>>): ReferenceRecord | undefined {
  const descriptor = fieldsOf(record['descriptor']);
  const { reference, time } = record;
  const { mediaType, digest, size } = descriptor;
  if (record['version'] !== version || typeof reference !== 'string' || typeof time !== 'string') return undefined;
  if (typeof mediaType !== 'string' || typeof digest !== 'string' || !isDigest(digest)) return undefined;
  if (typeof size !== 'number' || !Number.isSafeInteger(size)) return undefined;
  return { reference, descriptor: { mediaType, digest, size }, time };
}
