import { join } from 'node:path';
import { MediaType } from '@gantry/image-spec';
import { readSmallFile, writeFileAtomic } from './durable.js';
import type { StoreFolders } from './folders.js';
import type { ReferenceRecord, ReferenceStore } from './reference-store.js';

const maxIndexBytes = 64 * 1024 * 1024;

/**
 * The two files that make a folder of blobs an OCI image layout (image-spec, image-layout.md). `index.json` is for
 * other tools; Gantry itself looks references up one by one.
 */
export class LayoutIndex {
  readonly #folders: StoreFolders;
  readonly #references: ReferenceStore;
  #running: Promise<void> | undefined;
  #next: Promise<void> | undefined;

  constructor(folders: StoreFolders, references: ReferenceStore) {
    this.#folders = folders;
    this.#references = references;
  }

  /** Writes `oci-layout` if it is not there. */
  async create(): Promise<void> {
    const path = join(this.#folders.layout, 'oci-layout');
    const content = JSON.stringify({ imageLayoutVersion: '1.0.0' });
    if (!(await holds(path, content))) await writeFileAtomic(path, content, this.#folders.ingest);
  }

  /** Makes `index.json` list every reference written before the call. Calls that wait for a running one share the next. */
  publish(): Promise<void> {
    if (!this.#running) {
      this.#running = this.#converge().finally(() => {
        this.#running = undefined;
      });
      return this.#running;
    }
    this.#next ??= this.#running
      .catch(() => undefined)
      .then(() => {
        this.#next = undefined;
        return this.publish();
      });
    return this.#next;
  }

  /**
   * Writes what the references say until the file says the same. Another process that writes an older list after us
   * then reads the folder again, ours included, and writes it once more: whoever is last has seen all.
   */
  async #converge(): Promise<void> {
    const path = join(this.#folders.layout, 'index.json');
    for (;;) {
      const content = render(await this.#references.list());
      if (await holds(path, content)) return;
      await writeFileAtomic(path, content, this.#folders.ingest);
    }
  }
}

async function holds(path: string, content: string): Promise<boolean> {
  const bytes = await readSmallFile(path, maxIndexBytes);
  return bytes !== undefined && new TextDecoder().decode(bytes) === content;
}

function render(records: readonly ReferenceRecord[]): string {
  const manifests = records.map(({ reference, descriptor: { mediaType, digest, size } }) => ({
    mediaType,
    digest,
    size,
    annotations: { 'org.opencontainers.image.ref.name': reference },
  }));
  return JSON.stringify({ schemaVersion: 2, mediaType: MediaType.ociIndex, manifests });
}
