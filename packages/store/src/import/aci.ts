import { createHash } from 'node:crypto';
import { readTar } from '@gantry/archive';
import { type AppcImageManifest, parseAppcImageManifest } from '@gantry/image-spec';
import { type Digest, GantryError } from '@gantry/interface';
import { invalidEntry } from './archive-path.js';
import { type HostFile, readHostFile } from './host-file.js';
import { inflate } from './inflate.js';
import { readDocument } from './source-files.js';

/** An App Container Image that is on this machine. appc 0.8, aci.md. */
export interface Aci {
  /** For people: its path, or its name. */
  readonly name: string;
  readonly file: HostFile;
  /** Of the uncompressed archive: what its image id is made of. */
  readonly id: Digest;
  readonly manifest: AppcImageManifest;
}

const manifestName = /^(?:\.?\/)*manifest$/;

/** Reads an ACI through for its id and its manifest. */
export async function readAci(name: string, file: HostFile, signal: AbortSignal | undefined): Promise<Aci> {
  const hash = createHash('sha512');
  let manifest: Uint8Array | undefined;
  for await (const entry of readTar(uncompressed(name, file, signal, (piece) => hash.update(piece)))) {
    if (!manifestName.test(entry.name.toString('latin1'))) continue;
    if (manifest) throw invalidEntry(name, 'manifest', 'two entries of this name');
    if (entry.type !== 'file') throw invalidEntry(name, 'manifest', 'no regular file');
    manifest = await readDocument(name, 'manifest', entry.body);
  }
  if (!manifest) throw new GantryError('INVALID_ARCHIVE', `${name}: no manifest in it: not an App Container Image`);
  return { name, file, id: `sha512:${hash.digest('hex')}`, manifest: parseAppcImageManifest(manifest) };
}

/** The archive once more, uncompressed. Fails at its end if it is no longer the one that was read. */
export async function* aciContent(
  { name, file, id }: Aci,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array, void, undefined> {
  const hash = createHash('sha512');
  yield* uncompressed(name, file, signal, (piece) => hash.update(piece));
  if (`sha512:${hash.digest('hex')}` === id) return;
  throw new GantryError('INVALID_ARCHIVE', `${name}: changed while it was read`);
}

async function* uncompressed(
  name: string,
  { handle, size }: HostFile,
  signal: AbortSignal | undefined,
  onPiece: (piece: Uint8Array) => void,
): AsyncGenerator<Uint8Array, void, undefined> {
  for await (const piece of inflate(name, readHostFile(handle, `reading ${name}`, signal), size)) {
    onPiece(piece);
    yield piece;
  }
}
