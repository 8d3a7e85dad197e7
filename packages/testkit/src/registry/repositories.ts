import { readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Digest } from '@gantry/interface';

/** What one repository holds; the bytes are in the registry's content. */
export interface Repository {
  readonly blobs: Set<Digest>;
  /** Media type of each manifest. */
  readonly manifests: Map<Digest, string>;
  readonly tags: Map<string, Digest>;
}

/** The repositories of a registry, kept in `repositories.json` of its folder if it has one. */
export class Repositories {
  readonly #all = new Map<string, Repository>();
  readonly #file: string | undefined;
  #saving: Promise<void> = Promise.resolve();

  private constructor(file: string | undefined) {
    this.#file = file;
  }

  static async open(folder: string | undefined): Promise<Repositories> {
    const repositories = new Repositories(folder === undefined ? undefined : join(folder, 'repositories.json'));
    await repositories.#load();
    return repositories;
  }

  /** In order. */
  names(): string[] {
    return [...this.#all.keys()].sort();
  }

  get(name: string): Repository | undefined {
    return this.#all.get(name);
  }

  /** The repository, made if it is not there: pushing needs no creating first. */
  make(name: string): Repository {
    const found = this.#all.get(name) ?? { blobs: new Set(), manifests: new Map(), tags: new Map() };
    this.#all.set(name, found);
    return found;
  }

  /** Writes the file after whoever is writing it now. */
  save(): Promise<void> {
    const file = this.#file;
    if (file === undefined) return Promise.resolve();
    const saved = this.#saving.then(async () => {
      await writeFile(`${file}.new`, this.#document());
      await rename(`${file}.new`, file);
    });
    this.#saving = saved.catch(() => undefined);
    return saved;
  }

  #document(): string {
    const entries = Array.from(this.#all, ([name, { blobs, manifests, tags }]) => ({
      name,
      blobs: [...blobs],
      manifests: [...manifests],
      tags: [...tags],
    }));
    return JSON.stringify(entries);
  }

  async #load(): Promise<void> {
    if (this.#file === undefined) return;
    const text = await readFile(this.#file, { encoding: 'utf8', flag: 'a+' });
    if (text === '') return;
    const entries: { name: string; blobs: Digest[]; manifests: [Digest, string][]; tags: [string, Digest][] }[] =
      JSON.parse(text);
    for (const { name, blobs, manifests, tags } of entries) {
      this.#all.set(name, { blobs: new Set(blobs), manifests: new Map(manifests), tags: new Map(tags) });
    }
  }
}
