import { readTar, type TarEntry } from '@gantry/archive';
import { maxDocumentBytes } from '@gantry/image-spec';
import { GantryError } from '@gantry/interface';
import { archivePath, invalidEntry, linkTarget } from './archive-path.js';
import { type HostFile, openHostFile, readHostFile } from './host-file.js';
import { inflate } from './inflate.js';
import { type FileVisitor, readDocument, type SourceFile, type SourceFiles } from './source-files.js';

/** Of the archive itself, not of the layers in it. */
const maxEntries = 100_000;
/** What may be kept in memory of documents, so that they need no further pass. */
const maxKeptBytes = 32 * 1024 * 1024;
const maxLinks = 8;
/** An image needs three or four; an archive made to be read for ever would ask for more. */
const maxPasses = 16;
const [brace, bracket] = [0x7b, 0x5b];

type ArchiveEntry =
  | { readonly type: 'file'; readonly size: number; readonly document: Uint8Array | undefined }
  | { readonly type: 'link'; readonly target: string };

/**
 * The files of a tar archive, compressed or not, whose entries come in any order. It is read through once to learn what
 * is in it, when small documents are kept, and once more for each call of `each`: nothing is unpacked to the disk.
 */
export class ArchiveFiles implements SourceFiles {
  readonly name: string;
  readonly #file: HostFile;
  readonly #signal: AbortSignal | undefined;
  readonly #entries = new Map<string, ArchiveEntry>();
  #keptBytes = 0;
  #passes = 0;

  private constructor(path: string, file: HostFile, signal: AbortSignal | undefined) {
    this.name = path;
    this.#file = file;
    this.#signal = signal;
  }

  static async open(path: string, signal: AbortSignal | undefined): Promise<ArchiveFiles> {
    const files = new ArchiveFiles(path, await openHostFile(path), signal);
    try {
      await files.#survey();
      return files;
    } catch (error) {
      await files[Symbol.asyncDispose]();
      throw error;
    }
  }

  async find(path: string): Promise<SourceFile | undefined> {
    let at: string | undefined = path;
    for (let links = 0; links <= maxLinks; links++) {
      const entry: ArchiveEntry | undefined = this.#entries.get(at);
      if (entry?.type !== 'link') return entry && { path: at, size: entry.size };
      const target = linkTarget(at, entry.target);
      if (target === undefined) throw invalidEntry(this.name, at, 'a link that leads out of the archive');
      at = target;
    }
    throw invalidEntry(this.name, path, `more than ${maxLinks} links to follow`);
  }

  async read(file: SourceFile): Promise<Uint8Array> {
    const entry = this.#entries.get(file.path);
    if (entry?.type === 'file' && entry.document) return entry.document;
    let document: Uint8Array = Buffer.alloc(0);
    await this.each([file], async ({ path }, content) => {
      document = await readDocument(this.name, path, content);
    });
    return document;
  }

  async each(files: readonly SourceFile[], visit: FileVisitor): Promise<void> {
    const wanted = new Map(files.map((file) => [file.path, file]));
    if (wanted.size === 0) return;
    for await (const entry of this.#pass()) {
      const file = entry.type === 'file' ? wanted.get(archivePath(this.name, entry.name)) : undefined;
      if (!file) continue;
      wanted.delete(file.path);
      await visit(file, entry.body);
      if (wanted.size === 0) return;
    }
    const [missing] = wanted.keys();
    throw new GantryError('INVALID_ARCHIVE', `${this.name}: changed while it was read: ${missing} is gone`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#file.handle.close();
  }

  /** Learns the names of all files; whatever else is in the archive is passed over. */
  async #survey(): Promise<void> {
    for await (const entry of this.#pass()) {
      const path = archivePath(this.name, entry.name);
      const described = await this.#describe(entry);
      if (!described) continue;
      if (this.#entries.has(path)) throw invalidEntry(this.name, path, 'two entries of this name');
      this.#entries.set(path, described);
    }
  }

  async #describe(entry: TarEntry): Promise<ArchiveEntry | undefined> {
    switch (entry.type) {
      case 'file':
        return { type: 'file', size: entry.size, document: await this.#keep(entry) };
      case 'symlink':
        return { type: 'link', target: entry.linkName.toString('utf8', 0, 4096) };
      case 'hardlink':
        return { type: 'link', target: `/${archivePath(this.name, entry.linkName)}` };
      default:
        return undefined;
    }
  }

  /** The content of what looks like a JSON document, while there is room. */
  async #keep({ size, body }: TarEntry): Promise<Uint8Array | undefined> {
    if (size > maxDocumentBytes || this.#keptBytes + size > maxKeptBytes) return undefined;
    const pieces: Uint8Array[] = [];
    for await (const piece of body) {
      const [first] = piece;
      if (pieces.length === 0 && first !== brace && first !== bracket) return undefined;
      pieces.push(piece);
    }
    this.#keptBytes += size;
    // A copy: a view would keep the whole chunk that it was read with.
    return pieces.length === 0 ? undefined : Buffer.concat(pieces);
  }

  #pass(): AsyncIterable<TarEntry> {
    if (++this.#passes > maxPasses) {
      throw new GantryError('LIMIT_EXCEEDED', `${this.name}: has to be read more than ${maxPasses} times`);
    }
    const content = readHostFile(this.#file.handle, `reading ${this.name}`, this.#signal);
    const signal = this.#signal && { signal: this.#signal };
    return readTar(inflate(this.name, content, this.#file.size), { ...signal, budget: { entries: maxEntries } });
  }
}
