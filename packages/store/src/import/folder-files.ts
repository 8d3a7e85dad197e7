import { join } from 'node:path';
import { GantryError } from '@gantry/interface';
import { openRegularFile } from '../durable.js';
import { readHostFile } from './host-file.js';
import { type FileVisitor, readDocument, type SourceFile, type SourceFiles } from './source-files.js';

/** The files of a folder of the host. The paths asked for are made here, of digests and fixed names. */
export class FolderFiles implements SourceFiles {
  readonly name: string;
  readonly #signal: AbortSignal | undefined;

  constructor(path: string, signal: AbortSignal | undefined) {
    this.name = path;
    this.#signal = signal;
  }

  async find(path: string): Promise<SourceFile | undefined> {
    const file = await openRegularFile(join(this.name, path));
    await file?.handle.close();
    return file && { path, size: file.size };
  }

  async read(file: SourceFile): Promise<Uint8Array> {
    let document: Uint8Array = Buffer.alloc(0);
    await this.each([file], async ({ path }, content) => {
      document = await readDocument(this.name, path, content);
    });
    return document;
  }

  async each(files: readonly SourceFile[], visit: FileVisitor): Promise<void> {
    for (const file of files) {
      const opened = await openRegularFile(join(this.name, file.path));
      if (!opened) throw new GantryError('NOT_FOUND', `${this.name}: ${file.path} has gone while it was read`);
      try {
        await visit(file, readHostFile(opened.handle, `reading ${this.name}`, this.#signal));
      } finally {
        await opened.handle.close();
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // Nothing is held between calls.
  }
}
