import { isGantryError } from '@gantry/interface';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { artifactTypeOf, MediaType, parseManifest } from '../../src/index.js';
import { digest, dockerManifest, encode, entry, ociIndex } from '../documents.js';

describe('parseManifest', () => {
  it('reads a Docker manifest', () => {
    const parsed = parseManifest(encode(dockerManifest), MediaType.dockerManifest);
    expect(parsed).toMatchObject({
      kind: 'manifest',
      manifest: { mediaType: MediaType.dockerManifest, config: dockerManifest.config, layers: dockerManifest.layers },
    });
  });

  it('reads an OCI manifest without media type of its own, and keeps what it does not know', () => {
    const document = {
      schemaVersion: 2,
      config: { mediaType: MediaType.ociConfig, size: 2, digest: digest('c') },
      layers: [
        { mediaType: MediaType.ociLayerZstd, size: 3, digest: digest('1'), annotations: { ['__proto__']: 'x' } },
      ],
      subject: { mediaType: MediaType.ociManifest, size: 4, digest: digest('5') },
      annotations: { 'org.opencontainers.image.created': 'now' },
      'com.example.extra': { deep: [1] },
    };
    for (const header of [MediaType.ociManifest, 'application/json; charset=utf-8', undefined]) {
      const parsed = parseManifest(encode(document), header);
      if (parsed.kind !== 'manifest') throw new Error('want a manifest');
      expect(parsed.manifest.mediaType).toBe(MediaType.ociManifest);
      expect(parsed.manifest.subject?.digest).toBe(digest('5'));
      expect(parsed.manifest.annotations.get('org.opencontainers.image.created')).toBe('now');
      expect(parsed.manifest.raw['com.example.extra']).toEqual({ deep: [1] });
    }
  });

  it('keeps an annotation called __proto__ an annotation', () => {
    const text = `{"schemaVersion":2,"mediaType":"${MediaType.ociIndex}","manifests":[{"mediaType":"${MediaType.ociManifest}","size":1,"digest":"${digest('1')}","annotations":{"__proto__":"x"}}],"annotations":{"__proto__":"y"}}`;
    const parsed = parseManifest(new TextEncoder().encode(text));
    if (parsed.kind !== 'index') throw new Error('want an index');
    expect(Object.entries(parsed.index.manifests[0]?.annotations ?? {})).toEqual([['__proto__', 'x']]);
    expect([...parsed.index.annotations]).toEqual([['__proto__', 'y']]);
  });

  it('reads an index', () => {
    const parsed = parseManifest(encode(ociIndex), `${MediaType.ociIndex}; charset=utf-8`);
    if (parsed.kind !== 'index') throw new Error('want an index');
    expect(parsed.index.manifests).toHaveLength(6);
    expect(parsed.index.manifests[4]).toMatchObject({
      digest: digest('5'),
      platform: { os: 'windows', osVersion: '10.0.20348.1547' },
    });
    expect(parseManifest(encode({ schemaVersion: 2, manifests: [entry('1')] }))).toMatchObject({
      kind: 'index',
      index: { mediaType: MediaType.ociIndex },
    });
  });

  it('tells an artifact from an image', () => {
    const kindOf = (change: Readonly<Record<string, unknown>>) => {
      const parsed = parseManifest(encode({ ...dockerManifest, mediaType: MediaType.ociManifest, ...change }));
      return parsed.kind === 'manifest' ? artifactTypeOf(parsed.manifest) : 'index';
    };
    const empty = { mediaType: MediaType.ociEmpty, size: 2, digest: digest('0') };
    expect(kindOf({})).toBeUndefined();
    expect(kindOf({ artifactType: 'application/x' })).toBeUndefined();
    expect(kindOf({ config: empty, artifactType: 'application/x' })).toBe('application/x');
    expect(kindOf({ config: { ...empty, mediaType: 'application/vnd.cncf.helm.config.v1+json' } })).toBe(
      'application/vnd.cncf.helm.config.v1+json',
    );
  });

  it('keeps what an index is about', () => {
    const subject = { mediaType: MediaType.ociManifest, size: 4, digest: digest('5') };
    const parsed = parseManifest(
      encode({ ...ociIndex, subject, artifactType: 'application/x', annotations: { 'a.b': 'c' } }),
    );
    expect(parsed).toMatchObject({
      kind: 'index',
      index: { subject, artifactType: 'application/x', annotations: new Map([['a.b', 'c']]) },
    });
  });

  it.each([
    [
      'an empty config without artifact type',
      { ...dockerManifest, config: { ...dockerManifest.config, mediaType: MediaType.ociEmpty } },
      undefined,
      '$.artifactType',
    ],
    ['a subject that is no descriptor', { ...dockerManifest, subject: {} }, undefined, '$.subject.digest'],
    ['an artifact type that is none', { ...ociIndex, artifactType: 'sbom' }, undefined, '$.artifactType'],
    [
      'a layer of no media type',
      { ...dockerManifest, layers: [{ ...entry('1'), mediaType: 'tar; x' }] },
      undefined,
      '$.layers[0].mediaType',
    ],
    [
      'half a platform',
      { ...ociIndex, manifests: [entry('1', { os: 'linux' })] },
      undefined,
      '$.manifests[0].platform.architecture',
    ],
    ['another type than the header', { ...dockerManifest }, MediaType.ociManifest, '$.mediaType'],
    ['layers in an index', { ...ociIndex, layers: [] }, MediaType.ociIndex, '$.layers'],
    ['a config in an index', { ...ociIndex, config: dockerManifest.config }, undefined, '$.config'],
    ['manifests in a manifest', { ...dockerManifest, manifests: [] }, undefined, '$.manifests'],
    [
      'manifests in an untyped manifest',
      { ...dockerManifest, mediaType: undefined, manifests: [] },
      MediaType.dockerManifest,
      '$.manifests',
    ],
    ['both kinds and no type', { ...dockerManifest, mediaType: undefined, manifests: [] }, undefined, '$.layers'],
    ['neither kind', { schemaVersion: 2 }, undefined, '$.mediaType'],
    ['no schema version', { ...dockerManifest, schemaVersion: undefined }, undefined, '$.schemaVersion'],
    ['schema version 3', { ...dockerManifest, schemaVersion: 3 }, undefined, '$.schemaVersion'],
    ['a key in another case', { ...dockerManifest, Layers: [] }, undefined, '$.Layers'],
    ['no layers', { ...dockerManifest, layers: undefined }, undefined, '$.layers'],
    ['null for layers', { ...dockerManifest, layers: null }, undefined, '$.layers'],
    ['no config', { ...dockerManifest, config: undefined }, undefined, '$.config'],
    [
      'an escaping digest',
      { ...dockerManifest, layers: [{ ...entry('1'), digest: 'sha256:../../x' }] },
      undefined,
      '$.layers[0].digest',
    ],
    [
      'an unknown algorithm',
      { ...dockerManifest, layers: [{ ...entry('1'), digest: `md5:${'1'.repeat(32)}` }] },
      undefined,
      '$.layers[0].digest',
    ],
    ['a negative size', { ...dockerManifest, layers: [{ ...entry('1'), size: -1 }] }, undefined, '$.layers[0].size'],
    ['a broken size', { ...dockerManifest, layers: [{ ...entry('1'), size: 1.5 }] }, undefined, '$.layers[0].size'],
    [
      'a size beyond exactness',
      { ...dockerManifest, layers: [{ ...entry('1'), size: 2 ** 53 }] },
      undefined,
      '$.layers[0].size',
    ],
    ['a size as text', { ...dockerManifest, layers: [{ ...entry('1'), size: '1' }] }, undefined, '$.layers[0].size'],
    ['a layer that is no object', { ...dockerManifest, layers: [7] }, undefined, '$.layers[0]'],
    [
      'an annotation that is no string',
      { ...dockerManifest, annotations: { 'a.b': 1 } },
      undefined,
      '$.annotations["a.b"]',
    ],
    [
      'urls that are no list',
      { ...dockerManifest, layers: [{ ...entry('1'), urls: 'x' }] },
      undefined,
      '$.layers[0].urls',
    ],
  ])('refuses %s', (_, document, header, path) => {
    expect(() => parseManifest(encode(document), header)).toThrow(
      expect.objectContaining({ code: 'INVALID_DOCUMENT', details: expect.objectContaining({ path }) }),
    );
  });

  it.each([
    ['by its header', { schemaVersion: 1, fsLayers: [] }, `${MediaType.dockerSchema1Signed}; charset=utf-8`],
    ['by its shape', { schemaVersion: 1, name: 'x', fsLayers: [] }, undefined],
    ['under the type of schema 2', { ...dockerManifest, fsLayers: [{ blobSum: digest('1') }] }, undefined],
  ])('says what to do about schema 1, known %s', (_, document, header) => {
    expect(() => parseManifest(encode(document), header)).toThrow(
      expect.objectContaining({ code: 'UNSUPPORTED', message: expect.stringContaining('push the image again') }),
    );
  });

  it('does not support another kind of document', () => {
    expect(() => parseManifest(encode({ schemaVersion: 2, mediaType: 'application/vnd.cncf.x+json' }))).toThrow(
      expect.objectContaining({ code: 'UNSUPPORTED' }),
    );
  });

  it('throws nothing but its own errors on a damaged document', () => {
    const bytes = encode(ociIndex);
    const code = (error: unknown) =>
      ['INVALID_DOCUMENT', 'UNSUPPORTED', 'LIMIT_EXCEEDED'].some((known) =>
        isGantryError(error, known as 'UNSUPPORTED'),
      );
    fc.assert(
      fc.property(fc.nat(bytes.length - 1), fc.nat(255), fc.nat(30), (at, byte, cut) => {
        const damaged = Uint8Array.from([...bytes.subarray(0, at), byte, ...bytes.subarray(at + cut)]);
        try {
          parseManifest(damaged);
        } catch (error) {
          expect(code(error)).toBe(true);
        }
      }),
    );
    fc.assert(
      fc.property(
        fc.jsonValue(),
        fc.constantFrom('layers', 'config', 'mediaType', 'annotations', 'manifests'),
        (value, field) => {
          try {
            parseManifest(encode({ ...dockerManifest, [field]: value }));
          } catch (error) {
            expect(code(error)).toBe(true);
          }
        },
      ),
    );
  });
});
