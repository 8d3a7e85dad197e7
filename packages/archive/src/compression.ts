import * as zlib from 'node:zlib';
import { GantryError } from '@gantry/interface';
import { isSkippableFrame, maxWindowLog, zstdMagic } from './zstd/decoder.js';

/** How a layer blob or an archive of images is compressed. No layer type states bzip2 or xz: appc's archives have them. */
export type Compression = 'none' | 'gzip' | 'zstd' | 'bzip2' | 'xz';

const compressions: ReadonlySet<string> = new Set<Compression>(['none', 'gzip', 'zstd', 'bzip2', 'xz']);

/** Whether a text is the name of a compression; no media type is one. */
export function isCompression(text: string): text is Compression {
  return compressions.has(text);
}

const layerTypes: ReadonlyMap<string, Compression> = new Map([
  ['application/vnd.oci.image.layer.v1.tar', 'none'],
  ['application/vnd.oci.image.layer.v1.tar+gzip', 'gzip'],
  ['application/vnd.oci.image.layer.v1.tar+zstd', 'zstd'],
  ['application/vnd.oci.image.layer.nondistributable.v1.tar', 'none'],
  ['application/vnd.oci.image.layer.nondistributable.v1.tar+gzip', 'gzip'],
  ['application/vnd.oci.image.layer.nondistributable.v1.tar+zstd', 'zstd'],
  ['application/vnd.docker.image.rootfs.diff.tar', 'none'],
  ['application/vnd.docker.image.rootfs.diff.tar.gzip', 'gzip'],
  ['application/vnd.docker.image.rootfs.diff.tar.zstd', 'zstd'],
  ['application/vnd.docker.image.rootfs.foreign.diff.tar', 'none'],
  ['application/vnd.docker.image.rootfs.foreign.diff.tar.gzip', 'gzip'],
  ['application/vnd.docker.image.rootfs.foreign.diff.tar.zstd', 'zstd'],
  ['application/vnd.docker.container.image.rootfs.diff+x-gtar', 'gzip'],
]);

/** The compression that a layer's media type states. `UNSUPPORTED` for a type that is none of OCI's or Docker's layer types. */
export function compressionOf(mediaType: string): Compression {
  const compression = layerTypes.get(mediaType);
  if (compression) return compression;
  throw new GantryError(
    'UNSUPPORTED',
    `media type ${JSON.stringify(mediaType.slice(0, 200))} is not a layer type; known are: ${[...layerTypes.keys()].join(', ')}`,
    { details: { mediaType } },
  );
}

const marks: readonly (readonly [Compression, Buffer])[] = [
  ['gzip', Buffer.from([0x1f, 0x8b])],
  ['bzip2', Buffer.from('BZh')],
  ['xz', Buffer.from('fd377a585a00', 'hex')],
];

/**
 * The compression that the first six bytes of a blob show. Builders mislabel layers now and then; as the digest of the
 * uncompressed bytes decides what is accepted, nothing hangs on the label.
 */
export function detectCompression(head: Uint8Array): Compression {
  const bytes = Buffer.from(head.buffer, head.byteOffset, head.length);
  for (const [compression, mark] of marks) if (mark.equals(bytes.subarray(0, mark.length))) return compression;
  const magic = bytes.length < 4 ? 0 : bytes.readUInt32LE();
  return magic === zstdMagic || isSkippableFrame(magic) ? 'zstd' : 'none';
}

/** Names that @types/node has for later versions of Node.js only. */
interface ZstdOfZlib {
  readonly createZstdDecompress?: (options: object) => zlib.Gunzip;
  readonly constants: Readonly<Record<string, number | undefined>>;
}

/**
 * Output comes in pieces that fit a processor's cache, and a few of input and output are kept ready: so the thread pool inflates
 * without a pause while the pieces before are used.
 */
const decoderOptions = {
  chunkSize: 256 * 1024,
  readableObjectMode: true,
  readableHighWaterMark: 4,
  writableHighWaterMark: 1024 * 1024,
};

const { createZstdDecompress, constants }: ZstdOfZlib = zlib;

/** Whether this Node.js can decode zstd: from 22.15 on. */
export const hasZstd = createZstdDecompress !== undefined;

/** A fresh decoder of Node.js's own; one for zstd, which is not to be asked for without {@link hasZstd}, ends after one frame. */
export function createDecoder(compression: 'gzip' | 'zstd'): zlib.Gunzip {
  if (compression === 'gzip' || !createZstdDecompress) return zlib.createGunzip(decoderOptions);
  const params = { [constants['ZSTD_d_windowLogMax'] ?? 0]: maxWindowLog };
  return createZstdDecompress({ ...decoderOptions, params });
}
