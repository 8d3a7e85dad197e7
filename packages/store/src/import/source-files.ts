import { maxDocumentBytes } from '@gantry/image-spec';
import { GantryError } from '@gantry/interface';

/** A regular file of a source. */
export interface SourceFile {
  /** Where it is below the root of the source, without leading slash. */
  readonly path: string;
  readonly size: number;
}

/** What is done with the content of each file, before that of the next comes. */
export type FileVisitor = (file: SourceFile, content: AsyncIterable<Uint8Array>) => Promise<void>;

/** The files of a folder or of an archive, by their paths. */
export interface SourceFiles extends AsyncDisposable {
  /** For people. */
  readonly name: string;
  /** Undefined if nothing is there, or no regular file. Links are followed inside an archive, and never in a folder. */
  find(path: string): Promise<SourceFile | undefined>;
  /** A document, whole. `LIMIT_EXCEEDED` over 4 MiB. */
  read(file: SourceFile): Promise<Uint8Array>;
  /** Streams the content of each file once, in any order. */
  each(files: readonly SourceFile[], visit: FileVisitor): Promise<void>;
}

/** As `find`; `NOT_FOUND` if it is not there. */
export async function requireFile(files: SourceFiles, path: string, what: string): Promise<SourceFile> {
  const file = await files.find(path);
  if (file) return file;
  throw new GantryError('NOT_FOUND', `${files.name}: ${what} is missing: no regular file ${JSON.stringify(path)}`, {
    details: { path },
  });
}

/** All bytes of a file; `LIMIT_EXCEEDED` once they are more than a document may have. */
export async function readDocument(
  source: string,
  path: string,
  content: AsyncIterable<Uint8Array>,
): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  let size = 0;
  for await (const piece of content) {
    size += piece.byteLength;
    if (size > maxDocumentBytes) {
      throw new GantryError(
        'LIMIT_EXCEEDED',
        `${source}: ${path} has more than the ${maxDocumentBytes} bytes of a document`,
        { details: { path, limit: maxDocumentBytes } },
      );
    }
    pieces.push(piece);
  }
  return Buffer.concat(pieces);
}
