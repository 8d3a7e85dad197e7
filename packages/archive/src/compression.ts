import * as zlib from 'node:zlib';
import { GantryError } from '@gantry/interface';

/** How a layer blob is compressed. */
export type Compression = 'none' | 'gzip' | 'zstd';

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

/**
 * The compression that the first four bytes of a blob show. Builders mislabel layers now and then; as the digest of the
 * uncompressed bytes decides what is accepted, nothing hangs on the label.
 */
export function detectCompression(head: Uint8Array): Compression {
  if (head[0] === 0x1f && head[1] === 0x8b) return 'gzip';
  const magic = head.length < 4 ? 0 : Buffer.from(head.buffer, head.byteOffset, 4).readUInt32LE();
  const isSkippableFrame = (magic & 0xfffffff0) >>> 0 === 0x184d2a50;
  return magic === 0xfd2fb528 || isSkippableFrame ? 'zstd' : 'none';
}

/** Names that @types/node has for later versions of Node.js only. */
interface ZstdOfZlib {
  readonly createZstdDecompress?: (options: object) => zlib.Gunzip;
  readonly constants: Readonly<Record<string, number | undefined>>;
}

/** Above it a frame would make the decoder take over 128 MiB. RFC 8878, 3.1.1.1.2 lets a decoder refuse. */
const maxWindowLog = 27;

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

/** A fresh decoder; one for zstd ends after one frame. `UNSUPPORTED` where this Node.js has none. */
export function createDecoder(compression: 'gzip' | 'zstd'): zlib.Gunzip {
  if (compression === 'gzip') return zlib.createGunzip(decoderOptions);
  const { createZstdDecompress, constants }: ZstdOfZlib = zlib;
  const windowLogMax = constants['ZSTD_d_windowLogMax'];
  if (!createZstdDecompress || windowLogMax === undefined) {
    throw new GantryError(
      'UNSUPPORTED',
      `zstd layers (application/vnd.oci.image.layer.v1.tar+zstd) need Node.js 22.15 or later; this is ${process.version}. Run the host program with a later Node.js, or use an image with gzip layers`,
      { details: { mediaType: 'application/vnd.oci.image.layer.v1.tar+zstd' } },
    );
  }
  return createZstdDecompress({ ...decoderOptions, params: { [windowLogMax]: maxWindowLog } });
}
