import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { MediaType, parseImageConfig, parseSchema1Manifest, schema1Config, sha256 } from '../../src/index.js';
import { digest, encode } from '../documents.js';
import { curveSigner, rsaSigner, type SignatureChange, signDocument } from '../support/signed-manifest.js';

const id = (digit: string) => digit.repeat(64);
const layers = ['3', '2', '1'].map((digit) => ({ blobSum: digest(digit) }));
const top = {
  id: id('c'),
  parent: id('b'),
  created: '2015-05-04T20:40:00.5Z',
  os: 'linux',
  architecture: 'arm64',
  docker_version: '1.6.0',
  Size: 0,
  config: { User: 'web', Env: ['PATH=/bin'], Entrypoint: ['/app'], ExposedPorts: { '80/tcp': {} } },
  container_config: { Cmd: ['/bin/sh', '-c', '#(nop) ENTRYPOINT ["/app"]'] },
};
const history = [
  top,
  { id: id('b'), parent: id('a'), throwaway: true, container_config: { Cmd: ['#(nop) USER web'] } },
  { id: id('a'), created: '2015-05-04T20:39:00Z', author: 'somebody', comment: 'base' },
];

function manifest(change: Readonly<Record<string, unknown>> = {}, entries: readonly unknown[] = history) {
  return {
    schemaVersion: 1,
    name: 'library/web',
    tag: 'v1',
    architecture: 'amd64',
    fsLayers: layers,
    history: entries.map((entry) => ({ v1Compatibility: typeof entry === 'string' ? entry : JSON.stringify(entry) })),
    ...change,
  };
}

const invalidAt = (path: string) =>
  expect.objectContaining({ code: 'INVALID_DOCUMENT', details: expect.objectContaining({ path }) });

describe('parseSchema1Manifest', () => {
  it('verifies and reads what docker-registry 2.8.2 made of a schema 2 image', () => {
    const bytes = readFileSync(new URL('../fixtures/hello.prettyjws', import.meta.url));
    const parsed = parseSchema1Manifest(bytes, `${MediaType.dockerSchema1Signed}; charset=utf-8`);
    expect(parsed).toMatchObject({
      name: 'made/hello',
      tag: '1',
      signatures: [{ algorithm: 'ES256', keyId: 'YKEC:X6DR:2YZ4:QGHK:W7P6:A5AP:H6KC:O3VK:5RHW:OE2V:WNGP:VL7W' }],
      layers: [
        { empty: true, digest: 'sha256:a3ed95caeb02ffe68cdd9fd84406680ae93d633cb16422d00e8a7c22955b46d4' },
        { empty: false, digest: 'sha256:a29f4b4dd9743f00f3228bdde929fc46f256560077d2bc09df2534b1139aef95' },
      ],
    });
    // The Docker-Content-Digest that the registry sent with it.
    expect(sha256(parsed.payload)).toBe('sha256:6fe2b2e13939a81e75465ee33f7c887751a3a60d2ba8565e2d87ec09e7a7561b');
    const { config } = parseImageConfig(schema1Config(parsed, [digest('f')]));
    expect(config).toMatchObject({ user: '1000:1000', cmd: ['/bin/hello'], volumes: ['/data'], workingDir: '/data' });
  });

  it('finds every changed byte of a signed manifest', () => {
    const bytes = readFileSync(new URL('../fixtures/hello.prettyjws', import.meta.url));
    const { payload } = parseSchema1Manifest(bytes);
    for (let at = 0; at < payload.length - 2; at += 7) {
      const damaged = Uint8Array.from(bytes);
      damaged[at] = (damaged[at] ?? 0) ^ 1;
      expect(() => parseSchema1Manifest(damaged)).toThrow(expect.objectContaining({ code: 'INVALID_DOCUMENT' }));
    }
  });

  it.each([
    ['P-256', curveSigner('P-256')],
    ['P-384', curveSigner('P-384')],
    ['P-521', curveSigner('P-521')],
    ['RS256', rsaSigner('256')],
    ['RS384', rsaSigner('384')],
    ['RS512', rsaSigner('512')],
  ])('verifies a signature of %s, and refuses it for another document', (_, signer) => {
    const signed = signDocument(manifest(), [signer]);
    expect(parseSchema1Manifest(signed).signatures).toEqual([
      { algorithm: signer.algorithm, keyId: expect.stringMatching(/^([A-Z2-7]{4}:){11}[A-Z2-7]{4}$/) },
    ]);
    const other = Buffer.from(signed.toString().replace('"library/web"', '"library/wet"'));
    expect(() => parseSchema1Manifest(other)).toThrow(invalidAt('$.signatures[0].signature'));
  });

  it('reads all that is signed, lowest first, and nothing else', () => {
    const signed = signDocument(manifest(), [curveSigner('P-256'), rsaSigner('256')]);
    const appended = Buffer.from(signed.toString().replace('"signatures"', '"annotations": {"a": "b"}, "signatures"'));
    for (const bytes of [signed, appended]) {
      const parsed = parseSchema1Manifest(bytes);
      expect(parsed.signatures).toHaveLength(2);
      expect(parsed.layers).toEqual([
        { digest: digest('1'), empty: false },
        { digest: digest('2'), empty: true },
        { digest: digest('3'), empty: false },
      ]);
      expect(parsed.history.map((image) => image.id)).toEqual([id('a'), id('b'), id('c')]);
      expect(parsed.raw).not.toHaveProperty('annotations');
      expect(Buffer.from(parsed.payload).toString()).toBe(JSON.stringify(manifest(), undefined, 3));
    }
  });

  it('shows that a manifest is not signed', () => {
    expect(parseSchema1Manifest(encode(manifest())).signatures).toEqual([]);
    expect(parseSchema1Manifest(encode(manifest()), MediaType.dockerSchema1).signatures).toEqual([]);
    expect(() => parseSchema1Manifest(encode(manifest()), MediaType.dockerSchema1Signed)).toThrow(
      invalidAt('$.signatures'),
    );
    expect(() => parseSchema1Manifest(encode(manifest({ signatures: [] })))).toThrow(invalidAt('$.signatures'));
  });

  const p256 = curveSigner('P-256');
  const jwk = '$.signatures[0].header.jwk';
  it.each<[string, SignatureChange, string]>([
    ['the key id of another key', { jwk: { kid: 'AAAA' } }, `${jwk}.kid`],
    ['a point off the curve', { jwk: { x: p256.jwk.y } }, `${jwk}.kty`],
    ['a curve that is not known', { jwk: { crv: 'secp256k1' } }, `${jwk}.crv`],
    ['a secret as key', { jwk: { kty: 'oct', k: 'AAAA' }, header: { alg: 'HS256' } }, `${jwk}.kty`],
    ['no algorithm', { header: { alg: 'none' } }, '$.signatures[0].header.alg'],
    ['an algorithm of other keys', { header: { alg: 'RS256' } }, '$.signatures[0].header.alg'],
    ['an algorithm of a longer curve', { header: { alg: 'ES512' } }, '$.signatures[0].header.alg'],
    ['no key', { header: { jwk: undefined } }, jwk],
    ['another signature', { signature: (good) => good.fill(1).toString('base64url') }, '$.signatures[0].signature'],
    ['half a signature', { signature: (good) => good.subarray(32).toString('base64url') }, '$.signatures[0].signature'],
    ['a signature in base64', { signature: () => 'ab+/' }, '$.signatures[0].signature'],
    ['a signature with padding', { signature: () => 'YQ==' }, '$.signatures[0].signature'],
    [
      'a longer payload than document',
      { protectedHeader: { formatLength: 9e6 } },
      '$.signatures[0].protected.formatLength',
    ],
    ['no length', { protectedHeader: { formatLength: undefined } }, '$.signatures[0].protected.formatLength'],
    ['a negative length', { protectedHeader: { formatLength: -1 } }, '$.signatures[0].protected.formatLength'],
    ['a shorter payload', { protectedHeader: { formatLength: 5 } }, '$.signatures[0].signature'],
    ['another tail', { protectedHeader: { formatTail: 'fQ' } }, '$.signatures[0].signature'],
    ['a tail that is no base64url', { protectedHeader: { formatTail: '%' } }, '$.signatures[0].protected.formatTail'],
  ])('refuses %s', (_, change, path) => {
    expect(() => parseSchema1Manifest(signDocument(manifest(), [p256], change))).toThrow(invalidAt(path));
  });

  it('refuses one right and one wrong signature, and signatures of two payloads', () => {
    const [one, two] = [signDocument(manifest(), [p256]), signDocument(manifest({ tag: 'v2' }), [p256])].map(
      (bytes) => JSON.parse(bytes.toString()).signatures[0],
    );
    const text = signDocument(manifest(), []).toString();
    const withBoth = (second: object) =>
      Buffer.from(text.replace('"signatures": []', `"signatures": ${JSON.stringify([one, second])}`));
    expect(parseSchema1Manifest(withBoth(one)).signatures).toHaveLength(2);
    expect(() => parseSchema1Manifest(withBoth(two))).toThrow(invalidAt('$.signatures[1].signature'));
    const other = { ...one, protected: Buffer.from('{"formatLength":3,"formatTail":"Cn0"}').toString('base64url') };
    expect(() => parseSchema1Manifest(withBoth(other))).toThrow(invalidAt('$.signatures[1].protected'));
  });

  it('refuses keys that are too short to be trusted or too long to be checked', () => {
    const short = signDocument(manifest(), [rsaSigner('256', 1024)]);
    expect(() => parseSchema1Manifest(short)).toThrow(invalidAt(`${jwk}.n`));
    const huge = signDocument(manifest(), [rsaSigner('256')], {
      jwk: { n: Buffer.alloc(2048, 255).toString('base64url') },
    });
    expect(() => parseSchema1Manifest(huge)).toThrow(invalidAt(`${jwk}.n`));
    const slow = signDocument(manifest(), [rsaSigner('256')], {
      jwk: { e: Buffer.alloc(64, 255).toString('base64url') },
    });
    expect(() => parseSchema1Manifest(slow)).toThrow(invalidAt(`${jwk}.n`));
  });

  it('does not follow certificates, and takes a few signatures at most', () => {
    const chain = signDocument(manifest(), [p256], { header: { x5c: ['MIIB'] } });
    expect(() => parseSchema1Manifest(chain)).toThrow(expect.objectContaining({ code: 'UNSUPPORTED' }));
    const many = signDocument(
      manifest(),
      Array.from({ length: 9 }, () => p256),
    );
    expect(() => parseSchema1Manifest(many)).toThrow(expect.objectContaining({ code: 'LIMIT_EXCEEDED' }));
  });

  const compatibility = '$.history[0].v1Compatibility';
  it.each([
    ['fewer history entries than layers (CVE-2014-9358)', manifest({}, history.slice(0, 2)), '$.history'],
    ['more history entries than layers', manifest({ fsLayers: layers.slice(1) }), '$.history'],
    ['no layers', manifest({ fsLayers: [] }, []), '$.fsLayers'],
    [
      'an id that is a path (CVE-2014-9358)',
      manifest({}, [{ ...top, id: '../../etc' }, ...history.slice(1)]),
      `${compatibility}.id`,
    ],
    ['an id in upper case', manifest({}, [{ ...top, id: id('C') }, ...history.slice(1)]), `${compatibility}.id`],
    [
      'a parent that is a path',
      manifest({}, [{ ...top, parent: '../x' }, ...history.slice(1)]),
      `${compatibility}.parent`,
    ],
    ['a parent that is not below', manifest({}, [{ ...top, parent: id('a') }, ...history.slice(1)]), '$.history[0]'],
    [
      'a lowest layer with a parent',
      manifest({}, [...history.slice(0, 2), { ...history[2], parent: id('f') }]),
      '$.history[2]',
    ],
    ['an image twice', manifest({}, [top, { id: id('b'), parent: id('c') }, { id: id('c') }]), '$.history[2]'],
    [
      'an id under another spelling',
      manifest({}, [{ ...top, ID: id('c') }, ...history.slice(1)]),
      `${compatibility}.ID`,
    ],
    ['text that is no JSON', manifest({}, ['{', ...history.slice(1)]), compatibility],
    ['a key twice', manifest({}, ['{"id":"a","id":"b"}', ...history.slice(1)]), `${compatibility}.id`],
    [
      'a time that is none',
      manifest({}, [{ ...top, created: '2015-02-29T00:00:00Z' }, ...history.slice(1)]),
      `${compatibility}.created`,
    ],
    [
      'a layer that is no digest',
      manifest({ fsLayers: [{ blobSum: 'sha256:../x' }, ...layers.slice(1)] }),
      '$.fsLayers[0].blobSum',
    ],
    ['another schema', manifest({ schemaVersion: 2 }), '$.schemaVersion'],
    ['fields of schema 2 (CVE-2021-41190)', manifest({ layers: [] }), '$.layers'],
    ['fields of an index (CVE-2021-41190)', manifest({ manifests: [] }), '$.manifests'],
    ['a config', manifest({ config: {} }), '$.config'],
    ['the media type of schema 2', manifest({ mediaType: MediaType.dockerManifest }), '$.mediaType'],
    ['a name that is a path', manifest({ name: '../web' }), '$.name'],
    ['no name', manifest({ name: undefined }), '$.name'],
    ['a tag with a slash', manifest({ tag: 'a/b' }), '$.tag'],
  ])('refuses %s', (_, document, path) => {
    expect(() => parseSchema1Manifest(encode(document))).toThrow(invalidAt(path));
  });

  it('refuses a manifest that was sent as another kind', () => {
    expect(() => parseSchema1Manifest(encode(manifest()), MediaType.ociManifest)).toThrow(invalidAt('$'));
  });
});

describe('schema1Config', () => {
  const parsed = parseSchema1Manifest(encode(manifest()));

  it('makes a config of the topmost image and the layers that are not empty', () => {
    const bytes = schema1Config(parsed, [digest('a'), digest('b')]);
    const { config, diffIds } = parseImageConfig(bytes);
    expect(diffIds).toEqual([digest('a'), digest('b')]);
    expect(config).toMatchObject({
      platform: { os: 'linux', architecture: 'arm64' },
      user: 'web',
      env: ['PATH=/bin'],
      entrypoint: ['/app'],
      exposedPorts: ['80/tcp'],
      created: '2015-05-04T20:40:00.5Z',
    });
    const document = JSON.parse(new TextDecoder().decode(bytes));
    expect(document).toMatchObject({ docker_version: '1.6.0', container_config: top.container_config });
    expect(document.history).toEqual([
      { created: '2015-05-04T20:39:00Z', author: 'somebody', comment: 'base' },
      { created_by: '#(nop) USER web', empty_layer: true },
      { created: '2015-05-04T20:40:00.5Z', created_by: '/bin/sh -c #(nop) ENTRYPOINT ["/app"]' },
    ]);
    for (const name of ['id', 'parent', 'Size', 'throwaway']) expect(document).not.toHaveProperty(name);
  });

  it('is deterministic', () => {
    const again = parseSchema1Manifest(encode(manifest()));
    expect(schema1Config(again, [digest('a'), digest('b')])).toEqual(schema1Config(parsed, [digest('a'), digest('b')]));
  });

  it('takes the platform from where it is told', () => {
    const bare = { ...top, os: undefined, architecture: undefined };
    const platformOf = (change: Readonly<Record<string, unknown>>) => {
      const bytes = schema1Config(parseSchema1Manifest(encode(manifest(change, [bare, ...history.slice(1)]))), [
        digest('a'),
        digest('b'),
      ]);
      return parseImageConfig(bytes).config.platform;
    };
    expect(platformOf({ architecture: 's390x' })).toEqual({ os: 'linux', architecture: 's390x' });
    expect(platformOf({ architecture: '' })).toEqual({ os: 'linux', architecture: 'amd64' });
  });

  it.each([0, 1, 3])('wants a diff id a layer, not %i', (count) => {
    const diffIds = Array.from({ length: count }, () => digest('a'));
    expect(() => schema1Config(parsed, diffIds)).toThrow(
      expect.objectContaining({ code: 'INVALID_ARGUMENT', details: { field: 'diffIds' } }),
    );
  });

  it('refuses a config that is malformed', () => {
    const broken = manifest({}, [{ ...top, config: { Env: ['A'] } }, ...history.slice(1)]);
    expect(() => schema1Config(parseSchema1Manifest(encode(broken)), [digest('a'), digest('b')])).toThrow(
      invalidAt('$.config.Env'),
    );
  });
});
