import { createHash } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { isDigest } from '@gantry/image-spec';
import { type Descriptor, errnoOf } from '@gantry/interface';
import { readSmallFile, writeFileAtomic } from './durable.js';
import type { StoreFolders } from './folders.js';

const version = 1;
const maxRecordBytes = 64 * 1024;

/** What a reference stood for when it was pulled last. */
export interface ReferenceRecord {
  /** Canonical, e.g. `docker.io/library/redis:latest`. */
  readonly reference: string;
  /** The manifest or index that the registry gave. */
  readonly descriptor: Descriptor;
  /** When, as in RFC 3339. */
  readonly time: string;
}

/** One file a reference, named by its hash, so that pulls of different images never write the same file. */
export class ReferenceStore {
  readonly #folders: StoreFolders;

  constructor(folders: StoreFolders) {
    this.#folders = folders;
  }

  /** Undefined for a reference that was never pulled. A record that cannot be read counts as absent: a pull writes it anew. */
  async read(reference: string): Promise<ReferenceRecord | undefined> {
    const record = await this.#readFile(fileName(reference));
    return record?.reference === reference ? record : undefined;
  }

  async write(record: ReferenceRecord): Promise<void> {
    const { mediaType, digest, size } = record.descriptor;
    const { reference, time } = record;
    const content = JSON.stringify({ version, reference, descriptor: { mediaType, digest, size }, time });
    await writeFileAtomic(join(this.#folders.references, fileName(reference)), `${content}\n`, this.#folders.ingest);
  }

  /** All records, in order of their references. */
  async list(): Promise<readonly ReferenceRecord[]> {
    const records: ReferenceRecord[] = [];
    for (const name of await this.#names()) {
      const record = await this.#readFile(name);
      if (record && fileName(record.reference) === name) records.push(record);
    }
    return records.sort((a, b) => (a.reference < b.reference ? -1 : 1));
  }

  async #names(): Promise<readonly string[]> {
    try {
      return await readdir(this.#folders.references);
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return [];
      throw error;
    }
  }

  async #readFile(name: string): Promise<ReferenceRecord | undefined> {
    const bytes = readSmallFile(join(this.#folders.references, name), maxRecordBytes);
    return bytes && parseRecord(bytes);
  }
}

function fileName(reference: string): string {
  return `${createHash('sha256').update(reference).digest('hex')}.json`;
}

function parseRecord(bytes: Uint8Array): ReferenceRecord | undefined {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    return undefined;
  }
  const record = fieldsOf(value);
  const descriptor = fieldsOf(record['descriptor']);
  const { reference, time } = record;
  const { mediaType, digest, size } = descriptor;
  if (record['version'] !== version || typeof reference !== 'string' || typeof time !== 'string') return undefined;
  if (typeof mediaType !== 'string' || typeof digest !== 'string' || !isDigest(digest)) return undefined;
  if (typeof size !== 'number' || !Number.isSafeInteger(size)) return undefined;
  return { reference, descriptor: { mediaType, digest, size }, time };
}

function fieldsOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}
