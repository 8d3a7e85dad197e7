import { GantryError } from '@gantry/interface';
import { type LayerEntry, type LayerInput, modeOf, type StreamedFile } from './layer-entry.js';
import { endOfArchive, fitsName, fitsNumber, padding, paxHeader, tarHeader } from './tar-header.js';

const typeflags = {
  file: '0',
  stream: '0',
  hardlink: '1',
  symlink: '2',
  'character-device': '3',
  'block-device': '4',
  directory: '5',
  fifo: '6',
} as const;

/**
 * Streams a layer as a tar archive (ustar with PAX extended headers). Equal input gives equal bytes. Written here and
 * not by tar-stream, which takes mode 0 for none and extended attributes as text, where capabilities are binary.
 */
export async function* tarLayer(layer: LayerInput): AsyncIterable<Uint8Array> {
  for await (const entry of isList(layer) ? layer : layer.entries()) yield* tarEntry(entry);
  yield endOfArchive;
}

function isList(layer: LayerInput): layer is readonly LayerEntry[] {
  return Array.isArray(layer);
}

async function* tarEntry(entry: LayerEntry | StreamedFile): AsyncIterable<Uint8Array> {
  const size = sizeOf(entry);
  const records = paxRecords(entry, size);
  if (records.length > 0) yield paxHeader(records);
  yield tarHeader({
    name: entry.path,
    typeflag: typeflags[entry.type],
    mode: modeOf(entry),
    uid: entry.uid ?? 0,
    gid: entry.gid ?? 0,
    size,
    mtime: entry.mtime ?? 0,
    ...('target' in entry ? { linkname: entry.target } : {}),
    ...('major' in entry ? { major: entry.major, minor: entry.minor } : {}),
  });
  if (entry.type === 'file') yield Buffer.from(entry.content ?? '');
  if (entry.type === 'stream') yield* exactly(entry);
  yield padding(size);
}

function sizeOf(entry: LayerEntry | StreamedFile): number {
  if (entry.type === 'stream') return entry.size;
  return entry.type === 'file' ? Buffer.from(entry.content ?? '').length : 0;
}

/** A body of another size than the header says would shift all that follows it. */
async function* exactly({ path, size, content }: StreamedFile): AsyncIterable<Uint8Array> {
  let seen = 0;
  for await (const chunk of content) {
    seen += chunk.length;
    yield chunk;
  }
  if (seen !== size) throw new GantryError('SIZE_MISMATCH', `layer entry ${path}: ${seen} bytes came, want ${size}`);
}

/** What the ustar header of an entry cannot hold. */
function paxRecords(entry: LayerEntry | StreamedFile, size: number): [string, string | Uint8Array][] {
  const records: [string, string | Uint8Array][] = [];
  const text = (key: string, value: string) => !fitsName(value) && records.push([key, value]);
  const number = (key: string, value: number, digits: number) => {
    if (!fitsNumber(value, digits)) records.push([key, String(value)]);
  };
  text('path', entry.path);
  if ('target' in entry) text('linkpath', entry.target);
  number('uid', entry.uid ?? 0, 7);
  number('gid', entry.gid ?? 0, 7);
  number('size', size, 11);
  for (const [name, value] of Object.entries(entry.xattrs ?? {}).sort()) records.push([`SCHILY.xattr.${name}`, value]);
  return records;
}
