import { createHash } from 'node:crypto';
import { decompress, diffLayer, readTar, selectTar } from '@gantry/archive';
import {
  checkOciLayout,
  parseAppcImageManifest,
  parseAppcMeta,
  parseAppcPodManifest,
  parseDockerArchiveManifest,
  parseDockerRepositories,
  parseImageConfig,
  parseManifest,
  parseReference,
  parseSchema1Manifest,
  parseV1Image,
} from '@gantry/image-spec';
import { UnpackFolder } from './unpack-folder.mjs';

/** Small, so that what would take for ever takes long enough to be noticed. */
export const budget = { bytes: 2 ** 24, entries: 300, headerBytes: 2 ** 16, ratio: 1100 };

/**
 * Something that is fed with what nobody vouches for. `run` gives what came of it, as text; it may throw a GantryError and nothing else.
 *
 * @typedef {object} Target
 * @property {string} name
 * @property {keyof Awaited<ReturnType<import('./samples.mjs').loadSamples>>} kind which samples it is fed with
 * @property {number} weight how often it is chosen
 * @property {(bytes: Buffer) => Promise<string>} run
 */

/** @param {Buffer} bytes */
async function* inChunks(bytes) {
  for (let at = 0; at < bytes.length; at += 1000) yield bytes.subarray(at, at + 1000);
}

/** The digest of a stream, of which so much is read. @param {AsyncIterable<Uint8Array>} stream */
async function digestOf(stream) {
  const hash = createHash('sha256');
  let size = 0;
  for await (const piece of stream) {
    hash.update(piece);
    size += piece.length;
    if (size > budget.bytes) return 'large';
  }
  return hash.digest('hex');
}

/** @param {Buffer} bytes */
async function read(bytes) {
  const hash = createHash('sha256');
  for await (const { body, ...header } of readTar(inChunks(bytes), { budget })) {
    hash.update(JSON.stringify(header));
    hash.update(await digestOf(body));
  }
  return hash.digest('hex');
}

/** @param {Buffer} bytes */
const select = (bytes) =>
  digestOf(selectTar(inChunks(bytes), { stripPrefix: 'etc', budget, only: new Set(['/motd']) }));

/** Unpacks, and packs again what came of it. @param {Buffer} bytes */
async function unpack(bytes) {
  const folder = await UnpackFolder.create();
  try {
    const { entries } = await folder.apply(bytes, budget);
    return `${entries} ${await digestOf(diffLayer({ upper: folder.target, mtime: 0 }))}`;
  } finally {
    await folder.close();
  }
}

/** @param {(bytes: Buffer) => unknown} parse */
const parser = (parse) => async (/** @type {Buffer} */ bytes) => {
  const value = parse(bytes);
  return createHash('sha256')
    .update(JSON.stringify(value ?? null))
    .digest('hex');
};

/** @type {readonly (readonly [Target['kind'], (bytes: Buffer) => unknown])[]} */
const parsers = [
  ['manifest', parseManifest],
  ['schema1', parseSchema1Manifest],
  ['config', parseImageConfig],
  ['v1', parseV1Image],
  ['appc', parseAppcImageManifest],
  ['pod', parseAppcPodManifest],
  ['meta', (bytes) => parseAppcMeta(bytes, 'example.com/app')],
  ['saved', parseDockerArchiveManifest],
  ['repositories', parseDockerRepositories],
  ['layout', checkOciLayout],
  ['reference', (bytes) => parseReference(bytes.toString('utf8'))],
];

/** All targets that this host can run: unpacking needs Linux and root. @type {readonly Target[]} */
export const targets = [
  { name: 'readTar', kind: 'tar', weight: 30, run: read },
  { name: 'selectTar', kind: 'tar', weight: 8, run: select },
  ...(process.platform === 'linux' && process.geteuid?.() === 0
    ? [
        { name: 'applyLayer', kind: /** @type {const} */ ('tar'), weight: 20, run: unpack },
        { name: 'applyLayer of gzip', kind: /** @type {const} */ ('gzip'), weight: 6, run: unpack },
        { name: 'applyLayer of zstd', kind: /** @type {const} */ ('zstd'), weight: 2, run: unpack },
      ]
    : []),
  .../** @type {const} */ (['gzip', 'zstd', 'bzip2', 'xz']).map((kind) => ({
    name: `decompress ${kind}`,
    kind,
    weight: 5,
    run: (/** @type {Buffer} */ bytes) => digestOf(decompress(kind, inChunks(bytes))),
  })),
  ...parsers.map(([kind, parse]) => ({ name: `document ${kind}`, kind, weight: 3, run: parser(parse) })),
];
