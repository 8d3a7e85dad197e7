import { readdirSync, readFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { writeTar } from '@gantry/archive';

/** @import { TarInput } from '@gantry/archive' */

const capability = Buffer.from('0100000200040000000000000000000000000000', 'hex');

/** Entries of all kinds, as layers have them. @type {readonly TarInput[]} */
const entries = [
  { name: './', type: 'directory' },
  { name: 'etc/', type: 'directory', mtimeSeconds: 1, mtimeNanoseconds: 5 },
  { name: 'etc/motd', body: 'hello\n'.repeat(200), uid: 1000, gid: 2 ** 31 },
  { name: Buffer.from([0x61, 0xff, 0xfe]), body: 'bytes' },
  { name: 'l'.repeat(150), body: 'long', xattrs: [{ name: Buffer.from('security.capability'), value: capability }] },
  { name: 'link', type: 'symlink', linkName: '/etc/motd' },
  { name: 'up', type: 'symlink', linkName: '../..' },
  { name: 'hard', type: 'hardlink', linkName: 'etc/motd' },
  { name: 'up/below', body: 'through a link' },
  { name: 'null', type: 'character', devMajor: 1, devMinor: 3, mode: 0o666 },
  { name: 'fifo', type: 'fifo' },
  { name: 'etc/.wh.gone', body: '' },
  { name: 'etc/.wh..wh..opq', body: '' },
  {
    name: 'holes',
    size: 3_000_000,
    segments: [
      { offset: 512_000, length: 512 },
      { offset: 3_000_000, length: 0 },
    ],
    body: Buffer.alloc(512, 'h'),
  },
  { name: 'empty', body: '' },
];

/** An archive in GNU's own format, with a long name and an old sparse file. */
function gnuArchive() {
  const header = (/** @type {string} */ name, /** @type {string} */ type, /** @type {number} */ size) => {
    const block = Buffer.alloc(512);
    block.write(name, 'latin1');
    block.write('0000644\x000000000\x000000000\0', 100, 'latin1');
    block.write(`${size.toString(8).padStart(11, '0')}\x0000000000000\0`, 124, 'latin1');
    block.write(type, 156, 'latin1');
    block.write('ustar  \0', 257, 'latin1');
    return block;
  };
  const sparse = header('sparse', 'S', 512);
  sparse.write('00000001000\x0000000001000\0', 386, 'latin1');
  sparse.write('00000004000\0', 483, 'latin1');
  const longName = Buffer.alloc(512);
  longName.write(`${'d/'.repeat(80)}name`, 'latin1');
  return Buffer.concat([
    header('././@LongLink', 'L', 165),
    longName,
    header('short', '0', 3),
    Buffer.alloc(512, 'abc'),
    sparse,
    Buffer.alloc(512, 's'),
    Buffer.alloc(1024),
  ]);
}

/** @param {readonly TarInput[]} inputs */
async function archiveOf(inputs) {
  const pieces = [];
  for await (const piece of writeTar(inputs)) pieces.push(piece);
  return Buffer.concat(pieces);
}

const digest = `sha256:${'ab'.repeat(32)}`;
const descriptor = (/** @type {string} */ type) => ({
  mediaType: `application/vnd.oci.image.${type}`,
  digest,
  size: 100,
});

const signed = { alg: 'ES256', jwk: { kty: 'EC', crv: 'P-256', x: 'AA', y: 'AA' } };
const v1 = {
  id: 'ab'.repeat(32),
  parent: 'cd'.repeat(32),
  os: 'linux',
  architecture: 'amd64',
  config: { Cmd: ['sh'], Env: ['A=b'] },
};

/** Documents of images, as registries and archives have them, by the kind of their reader. */
const documents = {
  manifest: [
    {
      schemaVersion: 2,
      mediaType: 'application/vnd.oci.image.manifest.v1+json',
      config: descriptor('config.v1+json'),
      layers: [descriptor('layer.v1.tar+gzip'), descriptor('layer.v1.tar+zstd')],
      subject: descriptor('manifest.v1+json'),
      artifactType: 'application/x',
      annotations: { a: 'b' },
    },
    {
      schemaVersion: 2,
      mediaType: 'application/vnd.oci.image.index.v1+json',
      manifests: [
        { ...descriptor('manifest.v1+json'), platform: { os: 'linux', architecture: 'arm64', variant: 'v8' } },
      ],
    },
  ],
  schema1: [
    {
      schemaVersion: 1,
      name: 'library/x',
      tag: 'latest',
      architecture: 'amd64',
      fsLayers: [{ blobSum: digest }],
      history: [{ v1Compatibility: JSON.stringify(v1) }],
      signatures: [{ header: signed, signature: 'AA', protected: 'e30' }],
    },
  ],
  config: [
    {
      architecture: 'amd64',
      os: 'linux',
      created: '2024-01-01T00:00:00Z',
      config: {
        User: '1000:1000',
        Env: ['A=b'],
        Entrypoint: ['/x'],
        Cmd: null,
        Volumes: { '/v': {} },
        ExposedPorts: { '80/tcp': {} },
        Labels: { k: 'v' },
        StopSignal: 'SIGTERM',
        WorkingDir: '/w',
      },
      rootfs: { type: 'layers', diff_ids: [digest] },
      history: [{ created_by: 'x', empty_layer: true }],
    },
  ],
  v1: [v1],
  appc: [
    {
      acKind: 'ImageManifest',
      acVersion: '0.8.10',
      name: 'example.com/app',
      labels: [{ name: 'os', value: 'linux' }],
      app: {
        exec: ['/app'],
        user: '0',
        group: '0',
        environment: [{ name: 'A', value: 'b' }],
        mountPoints: [{ name: 'data', path: '/data' }],
        ports: [{ name: 'http', protocol: 'tcp', port: 80 }],
        isolators: [{ name: 'resource/memory', value: { limit: '1G' } }],
      },
      dependencies: [{ imageName: 'example.com/base', imageID: `sha512-${'ab'.repeat(64)}` }],
      pathWhitelist: ['/app'],
    },
  ],
  pod: [
    {
      acKind: 'PodManifest',
      acVersion: '0.8.10',
      apps: [{ name: 'a', image: { id: `sha512-${'ab'.repeat(64)}` }, mounts: [{ volume: 'v', path: '/v' }] }],
      volumes: [{ name: 'v', kind: 'host', source: '/opt' }],
      ports: [{ name: 'http', hostPort: 80 }],
    },
  ],
  saved: [[{ Config: 'config.json', RepoTags: ['x:latest'], Layers: ['a/layer.tar'] }]],
  repositories: [{ 'library/x': { latest: 'ab'.repeat(32) } }],
  layout: [{ imageLayoutVersion: '1.0.0' }],
};

/** Texts that are no JSON. */
const texts = {
  reference: ['docker.io/library/redis:7', `[::1]:5000/a/b@${digest}`],
  meta: [
    '<html><head><meta name="ac-discovery" content="example.com https://example.com/{name}-{version}.{ext}"></head>',
  ],
};

/** What is mutated, by kind. The compressed samples are those of the decoders' own tests. */
export async function loadSamples() {
  const archives = [await archiveOf(entries), await archiveOf(entries.slice(0, 4)), gnuArchive(), await archiveOf([])];
  const folder = new URL('../../packages/archive/test/samples/', import.meta.url);
  const named = (/** @type {string} */ suffix) =>
    readdirSync(folder)
      .filter((name) => name.endsWith(suffix))
      .map((name) => readFileSync(new URL(name, folder)));
  return {
    tar: archives,
    gzip: archives
      .slice(0, 3)
      .map((archive) => Buffer.concat([gzipSync(archive.subarray(0, 1024)), gzipSync(archive.subarray(1024))])),
    zstd: named('.zst'),
    bzip2: named('.bz2'),
    xz: named('.xz'),
    ...mapValues(documents, (each) => each.map((document) => Buffer.from(JSON.stringify(document)))),
    ...mapValues(texts, (each) => each.map((text) => Buffer.from(text))),
  };
}

/**
 * @template {string} Key
 * @template Value
 * @param {Readonly<Record<Key, Value>>} record
 * @param {(value: Value) => Buffer[]} change
 * @returns {Record<Key, Buffer[]>}
 */
function mapValues(record, change) {
  const entries = /** @type {[Key, Value][]} */ (Object.entries(record));
  return /** @type {Record<Key, Buffer[]>} */ (Object.fromEntries(entries.map(([key, value]) => [key, change(value)])));
}
