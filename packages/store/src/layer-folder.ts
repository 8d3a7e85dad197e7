import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { digestHex, isDigest } from '@gantry/image-spec';
import type { Descriptor, Digest, ImageLayer } from '@gantry/interface';
import { fieldsOf, readRecord } from './json-record.js';

const version = 1;
const maxRecordBytes = 16 * 1024;

/** What an unpacked layer was made of. */
export interface LayerRecord {
  readonly chainId: Digest;
  readonly diffId: Digest;
  readonly blob: Descriptor;
  /** Bytes of its files. */
  readonly bytes: number;
}

/** 43 characters: until Linux 6.5 all paths of an overlay mount must fit into 4 KiB together. */
export function chainName(chainId: Digest): string {
  return Buffer.from(digestHex(chainId), 'hex').toString('base64url');
}

/** The chain id of a folder; undefined for a name that none has. */
export function chainOf(name: string): Digest | undefined {
  const hex = Buffer.from(name, 'base64url').toString('hex');
  const digest = `${hex.length === 64 ? 'sha256' : 'sha512'}:${hex}`;
  return isDigest(digest) && chainName(digest) === name ? digest : undefined;
}

/** Not flushed to disk: it holds for one boot, as the tree beside it does. */
export async function writeLayerRecord(folder: string, layer: ImageLayer, bytes: number): Promise<void> {
  const { chainId, diffId } = layer;
  const { mediaType, digest, size } = layer.descriptor;
  const content = JSON.stringify({ version, chainId, diffId, blob: { mediaType, digest, size }, bytes });
  await writeFile(recordPath(folder), `${content}\n`, { flag: 'wx', mode: 0o600 });
}

/** Undefined if it is not there or cannot be read. */
export function readLayerRecord(folder: string): LayerRecord | undefined {
  const record = readRecord(recordPath(folder), maxRecordBytes) ?? {};
  const { chainId, diffId, bytes } = record;
  const { mediaType, digest, size } = fieldsOf(record['blob']);
  if (record['version'] !== version || typeof bytes !== 'number' || typeof mediaType !== 'string') return undefined;
  if (!isDigestText(chainId) || !isDigestText(diffId) || !isDigestText(digest)) return undefined;
  if (typeof size !== 'number' || !Number.isSafeInteger(size)) return undefined;
  return { chainId, diffId, blob: { mediaType, digest, size }, bytes };
}

function recordPath(folder: string): string {
  return join(folder, 'layer.json');
}

function isDigestText(value: unknown): value is Digest {
  return typeof value === 'string' && isDigest(value);
}
