import { readFileSync } from 'node:fs';
import { isGantryError } from '@gantry/interface';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  appcImageConfig,
  appcPod,
  checkOciLayout,
  parseAppcImageManifest,
  parseAppcPodManifest,
  parseDockerArchiveManifest,
  parseDockerRepositories,
  parseImageConfig,
  parseManifest,
  parseSchema1Manifest,
  parseV1Image,
  schema1Config,
  v1ImageConfig,
} from '../src/index.js';
import { imageManifest } from './appc/documents.js';
import { digest, dockerConfig, dockerManifest, encode, ociIndex } from './documents.js';
import { cpuTime } from './support/cpu-time.js';
import { curveSigner, signDocument } from './support/signed-manifest.js';

const id = 'a'.repeat(64);
const v1Image = { id, created: '2014-01-01T00:00:00Z', config: { Cmd: ['x'] }, container_config: { Cmd: ['y'] } };
const schema1 = {
  schemaVersion: 1,
  name: 'a',
  tag: 'b',
  architecture: 'amd64',
  fsLayers: [{ blobSum: digest('1') }],
  history: [{ v1Compatibility: JSON.stringify(v1Image) }],
};
const podManifest = {
  acKind: 'PodManifest',
  acVersion: '0.8.11',
  apps: [{ name: 'a', image: { name: 'b' }, app: imageManifest.app, mounts: [{ volume: 'v', path: '/x' }] }],
  volumes: [{ name: 'v', kind: 'empty' }],
  isolators: imageManifest.app.isolators,
  ports: [{ name: 'http', hostPort: 1 }],
};

/** Every parser with a document that it takes, or that it refuses for one field, and what is done with the result. */
const parsers: readonly (readonly [name: string, document: unknown, parse: (bytes: Uint8Array) => unknown])[] = [
  ['parseManifest', dockerManifest, (bytes) => parseManifest(bytes)],
  ['parseManifest of an index', ociIndex, (bytes) => parseManifest(bytes)],
  ['parseImageConfig', dockerConfig, parseImageConfig],
  ['checkOciLayout', { imageLayoutVersion: '1.0.0' }, checkOciLayout],
  ['parseSchema1Manifest', schema1, (bytes) => schema1Config(parseSchema1Manifest(bytes), [digest('1')])],
  ['parseDockerArchiveManifest', [{ Config: 'a', RepoTags: ['a:b'], Layers: ['c'] }], parseDockerArchiveManifest],
  ['parseDockerRepositories', { a: { b: id } }, parseDockerRepositories],
  ['parseV1Image', v1Image, (bytes) => v1ImageConfig([parseV1Image(bytes)], [digest('1')])],
  ['parseAppcImageManifest', imageManifest, (bytes) => appcImageConfig([parseAppcImageManifest(bytes)], [digest('1')])],
  ['parseAppcPodManifest', podManifest, (bytes) => appcPod(parseAppcPodManifest(bytes))],
];

/** What a stranger's document may make happen. */
const allowed = ['INVALID_DOCUMENT', 'LIMIT_EXCEEDED', 'UNSUPPORTED', 'INVALID_ARGUMENT'] as const;

function outcome(parse: (bytes: Uint8Array) => unknown, bytes: Uint8Array): 'taken' | 'refused' {
  try {
    parse(bytes);
    return 'taken';
  } catch (error) {
    if (allowed.some((code) => isGantryError(error, code))) return 'refused';
    throw error;
  }
}

const list = (length: number, element: string) => `[${Array.from({ length }, () => element).join(',')}]`;

const hugeDocuments = [
  `{${Array.from({ length: 400_000 }, (_, index) => `"${index.toString(36)}":1`).join(',')}}`,
  list(400_000, '{}'),
  '['.repeat(1_000_000),
  '{"a":'.repeat(500_000),
  `"${'\\u0000'.repeat(600_000)}"`,
];

/** Beyond a budget, just within it, and long text for the grammars to run along. */
const hugeValues = [
  list(400_000, '"/a"'),
  list(19_000, '"a-a"'),
  list(3_000, '{"name":"a","value":"b","path":"/c"}'),
  `"${'a-'.repeat(300_000)}!"`,
  `"${'/a'.repeat(300_000)}"`,
  `"${'0.'.repeat(300_000)}"`,
];

/** The document with some value somewhere replaced, or a member removed or added. */
function mutated(document: unknown): fc.Arbitrary<unknown> {
  const value = fc.oneof(
    fc.jsonValue(),
    fc.constantFrom<unknown>(null, {}, [], '', '\0', '/', '..', -1, 2 ** 53, 1.5, true, 'sha256:', 'x'.repeat(3000)),
  );
  const change = (node: unknown, way: readonly number[], by: unknown): unknown => {
    if (typeof node !== 'object' || node === null || way.length === 0) return by;
    const [step = 0, ...rest] = way;
    const keys = [...Object.keys(node), 'extra', '__proto__'];
    const key = keys[step % keys.length] ?? '';
    const child = change((node as Record<string, unknown>)[key], rest, by);
    if (Array.isArray(node)) return node.map((element, index) => (String(index) === key ? child : element));
    return Object.fromEntries([...Object.entries(node).filter(([other]) => other !== key), [key, child]]);
  };
  return fc.tuple(fc.array(fc.nat(20), { maxLength: 5 }), value).map(([way, by]) => change(document, way, by));
}

describe('every parser of documents', { timeout: 60_000 }, () => {
  it.each(parsers)('%s throws nothing but its own errors whatever a document holds', (_, document, parse) => {
    const seen = new Set<string>();
    fc.assert(
      fc.property(mutated(document), (other) => {
        seen.add(outcome(parse, encode(other)));
      }),
      { numRuns: 1500 },
    );
    expect(seen).toContain('refused');
  });

  it.each(parsers)('%s throws nothing but its own errors on damaged bytes', (_, document, parse) => {
    const bytes = encode(document);
    fc.assert(
      fc.property(fc.nat(bytes.length), fc.uint8Array({ maxLength: 4 }), fc.nat(30), (at, insert, cut) => {
        outcome(parse, Uint8Array.from([...bytes.subarray(0, at), ...insert, ...bytes.subarray(at + cut)]));
      }),
      { numRuns: 500 },
    );
    fc.assert(fc.property(fc.uint8Array(), (other) => void outcome(parse, other)));
  });

  it.each(parsers)('%s takes little time over a large document', (_, document, parse) => {
    const fields = Object.keys(document as object).flatMap((key) =>
      hugeValues.map((value) => JSON.stringify({ ...(document as object), [key]: '@' }).replace('"@"', () => value)),
    );
    for (const text of [...hugeDocuments, ...fields]) {
      const bytes = new TextEncoder().encode(text);
      expect(cpuTime(() => outcome(parse, bytes))).toBeLessThan(1000);
    }
  });

  it('parseSchema1Manifest throws nothing but its own errors on damaged signatures', () => {
    const fixture = readFileSync(new URL('./fixtures/hello.prettyjws', import.meta.url));
    const start = fixture.indexOf('"signatures"');
    const bytes = fc.constantFrom(0x22, 0x7b, 0x5d, 0x2c, 0x30, 0x41, 0x00, 0xff);
    fc.assert(
      fc.property(fc.integer({ min: start, max: fixture.length - 1 }), bytes, fc.nat(40), (at, byte, cut) => {
        outcome(
          parseSchema1Manifest,
          Buffer.concat([fixture.subarray(0, at), Buffer.of(byte), fixture.subarray(at + cut)]),
        );
      }),
      { numRuns: 2000 },
    );
    const fields = fc.constantFrom('header', 'signature', 'protected');
    const [signature] = JSON.parse(signDocument(schema1, [curveSigner('P-256')]).toString()).signatures;
    fc.assert(
      fc.property(fields, mutated(signature), fc.jsonValue(), (field, other, value) => {
        const document = { ...schema1, signatures: [other, { ...signature, [field]: value }] };
        expect(outcome(parseSchema1Manifest, encode(document))).toBe('refused');
      }),
    );
  });
});
