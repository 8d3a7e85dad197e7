import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { checkOciLayout, MediaType, parseImageConfig, parseManifest } from '../../src/index.js';
import { digest, encode } from '../documents.js';
import { hasOciSchemas, ociSchemas } from '../support/oci-schemas.js';

const reason = 'needs golang-github-opencontainers-image-spec-dev';

function accepts(parse: () => void): boolean {
  try {
    parse();
    return true;
  } catch {
    return false;
  }
}

/** Mostly a right value, at times one of the wrong ones; `undefined` leaves the field out. */
const mostly = <Value>(right: fc.Arbitrary<Value>, ...wrong: readonly unknown[]): fc.Arbitrary<unknown> =>
  fc.oneof(
    { weight: 12, arbitrary: right as fc.Arbitrary<unknown> },
    { weight: 1, arbitrary: fc.constantFrom(...wrong) },
  );

const some = fc.constantFrom;
const annotations = mostly(some(undefined, {}, { 'org.opencontainers.image.title': 'x' }), 7, [], { a: 1 });
const descriptor = fc.record({
  mediaType: mostly(
    some<string>(MediaType.ociLayer, MediaType.ociLayerZstd, 'application/x.y+z'),
    undefined,
    '',
    'text',
    'a b/c',
    7,
  ),
  digest: mostly(some(digest('1'), `sha512:${'a'.repeat(128)}`), undefined, '', 'sha256', 7),
  size: mostly(fc.nat(), undefined, 1.5, '1'),
  urls: mostly(some(undefined, [], ['https://a.test/b']), 7, {}, [7]),
  annotations,
  artifactType: some(undefined, 'application/x.y'),
  data: some(undefined, 'e30='),
});
const platform = fc.record({
  os: mostly(some('linux', 'windows', ''), undefined, 7),
  architecture: mostly(some('amd64', ''), undefined, 7),
  variant: mostly(some(undefined, 'v8'), 7),
  'os.version': mostly(some(undefined, '10.0'), 7),
  'os.features': some(undefined, ['win32k']),
});
const head = {
  schemaVersion: mostly(some(2), undefined, 1, '2'),
  artifactType: some(undefined, 'application/x.y'),
  annotations,
};

describe.skipIf(!hasOciSchemas)(`documents by the specification's own schemas (${reason})`, () => {
  const schemaOf = hasOciSchemas ? ociSchemas() : () => () => false;
  const judges = {
    manifest: [
      schemaOf('image-manifest-schema.json'),
      (bytes: Uint8Array) => parseManifest(bytes, MediaType.ociManifest),
    ],
    index: [schemaOf('image-index-schema.json'), (bytes: Uint8Array) => parseManifest(bytes, MediaType.ociIndex)],
    config: [schemaOf('config-schema.json'), parseImageConfig],
    layout: [schemaOf('image-layout-schema.json'), checkOciLayout],
  } as const;

  /** What the schema says of a document, and what we say. */
  function verdicts(kind: keyof typeof judges, document: unknown): { schema: boolean; ours: boolean } {
    const [schema, parse] = judges[kind];
    const bytes = encode(document);
    return { schema: schema(JSON.parse(Buffer.from(bytes).toString())), ours: accepts(() => void parse(bytes)) };
  }

  const manifest = fc.record({
    ...head,
    mediaType: mostly(some(undefined, MediaType.ociManifest), 7),
    config: mostly(descriptor, undefined, 7, []),
    layers: mostly(fc.array(descriptor, { minLength: 1, maxLength: 3 }), undefined, {}, [7]),
  });
  const index = fc.record({
    ...head,
    mediaType: mostly(some(undefined, MediaType.ociIndex), 7),
    manifests: mostly(
      fc.array(
        fc
          .tuple(descriptor, fc.option(platform, { nil: undefined }))
          .map(([entry, platform]) => ({ ...entry, platform })),
        { maxLength: 3 },
      ),
      undefined,
      {},
      [7],
    ),
  });
  const words = mostly(some(undefined, null, [], ['a', '-b']), 7, 'a', [7], {});
  const strings = mostly(some(undefined, '', 'x'), 7, []);
  const run = fc.record({
    User: strings,
    WorkingDir: strings,
    StopSignal: strings,
    Entrypoint: words,
    Cmd: words,
    Env: mostly(some(undefined, [], ['A=b', 'C=']), 7, [7], {}),
    ExposedPorts: mostly(some(undefined, {}, { '80/tcp': {} }), 7, [], { '80/tcp': 1 }),
    Volumes: mostly(some(undefined, null, {}, { '/a': {} }), 7, ['/a'], { '/a': 'x' }),
    Labels: mostly(some(undefined, null, {}, { a: 'b' }), 7, [], { a: {} }),
    ArgsEscaped: some(undefined, true),
  });
  const times = ['2020-02-29T23:59:59Z', '2021-12-01T00:00:00.123456789+23:59', '0001-01-01T00:00:00Z'];
  const noTimes = [
    7,
    '',
    'now',
    '2020-13-01T00:00:00Z',
    '2021-02-29T00:00:00Z',
    '2020-01-01T24:00:00Z',
    '2020-01-01T00:00:00',
  ];
  const config = fc.record({
    created: mostly(some(undefined, ...times), ...noTimes),
    author: some(undefined, 'x'),
    architecture: mostly(some('amd64', 'arm'), undefined, 7),
    os: mostly(some('linux'), undefined, 7),
    variant: mostly(some(undefined, 'v7'), 7),
    'os.version': mostly(some(undefined, '10'), 7),
    config: mostly(fc.option(run, { nil: undefined }), 7, []),
    rootfs: mostly(
      fc.record({
        type: mostly(some('layers'), undefined, 'layer', 7),
        diff_ids: mostly(some([], [digest('1'), digest('2')]), 7, {}, [7]),
      }),
      undefined,
      7,
      {},
    ),
    history: some(undefined, [], [{ created: times[0], empty_layer: true }]),
  });
  const layout = fc.record({ imageLayoutVersion: some(undefined, '1.0.0', '1.0.1', '', 1) });

  it.each([
    ['manifest', manifest],
    ['index', index],
    ['config', config],
    ['layout', layout],
  ] as const)('takes a generated %s just if its schema does', (kind, documents) => {
    const seen = { taken: 0, refused: 0 };
    fc.assert(
      fc.property(documents, (document) => {
        const { schema, ours } = verdicts(kind, document);
        seen[schema ? 'taken' : 'refused']++;
        expect(ours).toBe(schema);
      }),
      { numRuns: 3000 },
    );
    // Documents of one kind alone would show nothing.
    expect(Math.min(seen.taken, seen.refused)).toBeGreaterThan(100);
  });

  const layer = { mediaType: MediaType.ociLayer, digest: digest('1'), size: 1 };
  const theManifest = { schemaVersion: 2, config: { ...layer, mediaType: MediaType.ociConfig }, layers: [layer] };
  const theIndex = { schemaVersion: 2, manifests: [{ ...layer, mediaType: MediaType.ociManifest }] };
  const theConfig = { os: 'linux', architecture: 'amd64', rootfs: { type: 'layers', diff_ids: [] } };
  const withLayer = (change: object) => ({ ...theManifest, layers: [{ ...layer, ...change }] });
  const withRun = (change: object) => ({ ...theConfig, config: change });

  it('differs nowhere in documents without fault', () => {
    for (const [kind, document] of [
      ['manifest', theManifest],
      ['index', theIndex],
      ['config', theConfig],
    ] as const) {
      expect(verdicts(kind, document)).toEqual({ schema: true, ours: true });
    }
  });

  it.each<[string, keyof typeof judges, object]>([
    [
      'a digest of an algorithm that nobody here can compute',
      'manifest',
      withLayer({ digest: 'multihash+base58:QmRZxt2b1' }),
    ],
    ['a sha256 digest that is a path', 'manifest', withLayer({ digest: 'sha256:_-_' })],
    ['a negative size', 'index', { ...theIndex, manifests: [{ ...theIndex.manifests[0], size: -1 }] }],
    ['a size that JavaScript cannot count', 'manifest', withLayer({ size: 2 ** 53 })],
    ['a manifest that is an index too (CVE-2021-41190)', 'manifest', { ...theManifest, manifests: [] }],
    ['an index that is a manifest too (CVE-2021-41190)', 'index', { ...theIndex, layers: [] }],
    ['another media type than the header', 'manifest', { ...theManifest, mediaType: MediaType.ociIndex }],
    ['a field in another case', 'manifest', { ...theManifest, Layers: [] }],
    [
      'an empty config without artifact type',
      'manifest',
      { ...theManifest, config: { ...layer, mediaType: MediaType.ociEmpty } },
    ],
    ['an empty platform', 'config', { ...theConfig, os: '' }],
    ['a diff id that is no digest', 'config', { ...theConfig, rootfs: { type: 'layers', diff_ids: ['x'] } }],
    ['a variable without value', 'config', withRun({ Env: ['A'] })],
    ['a relative volume', 'config', withRun({ Volumes: { a: {} } })],
    ['a NUL in a word', 'config', withRun({ Cmd: ['\0'] })],
  ])('is stricter than the schema, on purpose, about %s', (_, kind, document) => {
    expect(verdicts(kind, document)).toEqual({ schema: true, ours: false });
  });

  it.each<[string, keyof typeof judges, object]>([
    ['null for absent, which Go programs write', 'manifest', { ...theManifest, annotations: null }],
    ['null for absent in a config', 'config', withRun({ Env: null, ExposedPorts: null, User: null })],
    ['no layers, which the text of the specification allows', 'manifest', { ...theManifest, layers: [] }],
    ['urls, from which nothing is ever fetched', 'manifest', withLayer({ urls: ['not a url'] })],
    ['author and history, which nothing reads', 'config', { ...theConfig, author: 7, history: {} }],
  ])('is laxer than the schema, on purpose, about %s', (_, kind, document) => {
    expect(verdicts(kind, document)).toEqual({ schema: false, ours: true });
  });
});
