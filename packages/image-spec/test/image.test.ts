import { createHash } from 'node:crypto';
import { isGantryError } from '@gantry/interface';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  assembleImage,
  chainIds,
  digestAlgorithm,
  digestHex,
  isDigest,
  isForeignLayerType,
  MediaType,
  parseDigest,
  parseImageConfig,
  parseManifest,
  sha256,
} from '../src/index.js';
import { digest, dockerConfig, dockerManifest, encode, imageOf } from './documents.js';

describe('parseImageConfig', () => {
  it('reads what Docker writes', () => {
    expect(parseImageConfig(encode(dockerConfig))).toEqual({
      diffIds: [digest('a'), digest('b')],
      config: {
        platform: { os: 'linux', architecture: 'amd64' },
        user: 'redis:redis',
        entrypoint: ['docker-entrypoint.sh'],
        cmd: ['redis-server'],
        env: ['PATH=/usr/local/bin:/usr/bin:/bin', 'EMPTY='],
        workingDir: '/data',
        stopSignal: '',
        exposedPorts: ['6379/tcp'],
        volumes: ['/data'],
        labels: new Map(),
        created: '2024-05-01T10:11:12.123456789Z',
      },
    });
  });

  it('reads the least that OCI asks for', () => {
    const { config, diffIds } = parseImageConfig(
      encode({ os: 'linux', architecture: 'arm64', variant: 'v8', rootfs: { type: 'layers', diff_ids: null } }),
    );
    expect(diffIds).toEqual([]);
    expect(config).toMatchObject({
      platform: { os: 'linux', architecture: 'arm64', variant: 'v8' },
      user: '',
      entrypoint: [],
      env: [],
    });
  });

  it('keeps labels whatever they are called, in any case', () => {
    const text = JSON.stringify(dockerConfig).replace(
      '"Labels":null',
      '"Labels":{"__proto__":"a","constructor":"b","X":"c","x":"d"}',
    );
    const { labels } = parseImageConfig(new TextEncoder().encode(text)).config;
    expect([...labels]).toEqual([
      ['__proto__', 'a'],
      ['constructor', 'b'],
      ['X', 'c'],
      ['x', 'd'],
    ]);
  });

  const run = (change: Readonly<Record<string, unknown>>) => ({
    ...dockerConfig,
    config: { ...dockerConfig.config, ...change },
  });
  it.each([
    ['no os', { ...dockerConfig, os: undefined }, '$.os'],
    ['an empty architecture', { ...dockerConfig, architecture: '' }, '$.architecture'],
    ['no rootfs', { ...dockerConfig, rootfs: undefined }, '$.rootfs'],
    ['another rootfs type', { ...dockerConfig, rootfs: { type: 'base', diff_ids: [] } }, '$.rootfs.type'],
    ['a bad diff id', { ...dockerConfig, rootfs: { type: 'layers', diff_ids: ['sha256:../x'] } }, '$.rootfs.diff_ids'],
    ['a key in another case', run({ entrypoint: ['/evil'] }), '$.config.entrypoint'],
    ['an entry point of numbers', run({ Entrypoint: [1] }), '$.config.Entrypoint[0]'],
    ['a command as text', run({ Cmd: 'sh' }), '$.config.Cmd'],
    ['a NUL in a word', run({ Cmd: ['a\0b'] }), '$.config.Cmd'],
    ['a NUL in the user', run({ User: 'a\0' }), '$.config.User'],
    ['a variable without value', run({ Env: ['A'] }), '$.config.Env'],
    ['a variable without name', run({ Env: ['=a'] }), '$.config.Env'],
    ['a relative volume', run({ Volumes: { data: {} } }), '$.config.Volumes'],
    ['a time that is none', { ...dockerConfig, created: '2024-02-30T00:00:00Z' }, '$.created'],
    ['a port that is no object', run({ ExposedPorts: { '80/tcp': 'x' } }), '$.config.ExposedPorts["80/tcp"]'],
    ['a group that means no change', run({ SupplementaryGids: [1, 2 ** 32 - 1] }), '$.config.SupplementaryGids[1]'],
    ['a label that is no string', run({ Labels: { a: 1 } }), '$.config.Labels.a'],
    ['a list as config', { ...dockerConfig, config: [] }, '$.config'],
  ])('refuses %s', (_, document, path) => {
    expect(() => parseImageConfig(encode(document))).toThrow(
      expect.objectContaining({ code: 'INVALID_DOCUMENT', details: expect.objectContaining({ path }) }),
    );
  });

  it('throws nothing but its own errors whatever a field holds', () => {
    const fields = fc.constantFrom(...Object.keys(dockerConfig.config));
    fc.assert(
      fc.property(fc.jsonValue(), fields, (value, field) => {
        try {
          parseImageConfig(encode(run({ [field]: value })));
        } catch (error) {
          expect(isGantryError(error, 'INVALID_DOCUMENT')).toBe(true);
        }
      }),
    );
  });
});

describe('chainIds', () => {
  it('follows the specification', () => {
    const [a, b, c] = [digest('a'), digest('b'), digest('c')];
    const hash = (text: string) => `sha256:${createHash('sha256').update(text).digest('hex')}`;
    const ab = hash(`${a} ${b}`);
    expect(chainIds([a, b, c])).toEqual([a, ab, hash(`${ab} ${c}`)]);
    expect(chainIds([])).toEqual([]);
  });
});

describe('assembleImage', () => {
  function assemble(config: unknown, change?: Readonly<Record<string, unknown>>, configBytes?: Uint8Array) {
    const parts = imageOf(config, change);
    const parsed = parseManifest(parts.manifestBytes);
    if (parsed.kind !== 'manifest') throw new Error('want a manifest');
    const manifest = {
      mediaType: MediaType.dockerManifest,
      digest: sha256(parts.manifestBytes),
      size: parts.manifestBytes.length,
    };
    return assembleImage({
      reference: 'docker.io/library/redis:7',
      manifest,
      parsed: parsed.manifest,
      configBytes: configBytes ?? parts.configBytes,
    });
  }

  it('joins layers, diff ids and chain ids', () => {
    const image = assemble(dockerConfig);
    expect(image.layers.map((layer) => [layer.descriptor.digest, layer.diffId])).toEqual([
      [digest('1'), digest('a')],
      [digest('2'), digest('b')],
    ]);
    expect(image.layers.map((layer) => layer.chainId)).toEqual(chainIds([digest('a'), digest('b')]));
    expect(image.digest).toBe(image.manifest.digest);
    expect(image.config.platform).toEqual({ os: 'linux', architecture: 'amd64' });
  });

  it.each([
    ['fewer layers than diff ids', dockerConfig, { layers: dockerManifest.layers.slice(1) }, 'INVALID_DOCUMENT'],
    [
      'an artifact',
      dockerConfig,
      { config: { mediaType: 'application/vnd.example+json', size: 2, digest: digest('0') } },
      'UNSUPPORTED',
    ],
    [
      'an unknown layer type',
      dockerConfig,
      { layers: dockerManifest.layers.map((layer) => ({ ...layer, mediaType: 'text/x' })) },
      'UNSUPPORTED',
    ],
  ])('refuses %s', (_, config, change, code) => {
    expect(() => assemble(config, change)).toThrow(expect.objectContaining({ code }));
  });

  it('says what an artifact is', () => {
    const empty = { mediaType: MediaType.ociEmpty, size: 2, digest: digest('0') };
    expect(() => assemble(dockerConfig, { config: empty, artifactType: 'application/vnd.example.sbom' })).toThrow(
      expect.objectContaining({
        code: 'UNSUPPORTED',
        message: expect.stringContaining('application/vnd.example.sbom'),
        details: { mediaType: MediaType.ociEmpty, artifactType: 'application/vnd.example.sbom' },
      }),
    );
  });

  it.each([
    MediaType.ociLayerZstd,
    MediaType.ociForeignLayer,
    MediaType.ociForeignLayerGzip,
    MediaType.ociForeignLayerZstd,
    MediaType.dockerForeignLayer,
    MediaType.dockerForeignLayerGzip,
  ])('takes layers of type %s', (mediaType) => {
    const layers = dockerManifest.layers.map((layer) => ({ ...layer, mediaType }));
    expect(assemble(dockerConfig, { layers }).layers).toHaveLength(2);
    expect(isForeignLayerType(mediaType)).toBe(mediaType !== MediaType.ociLayerZstd);
  });

  it('verifies the config', () => {
    const bytes = imageOf(dockerConfig).configBytes;
    expect(() => assemble(dockerConfig, {}, bytes.subarray(1))).toThrow(
      expect.objectContaining({ code: 'SIZE_MISMATCH' }),
    );
    const other = Uint8Array.from(bytes);
    other.reverse();
    expect(() => assemble(dockerConfig, {}, other)).toThrow(expect.objectContaining({ code: 'DIGEST_MISMATCH' }));
  });
});

describe('digests', () => {
  it('have an algorithm and hex digits', () => {
    const empty = sha256(new Uint8Array());
    expect(empty).toBe('sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855');
    expect(digestHex(empty)).toHaveLength(64);
    expect(digestAlgorithm(empty)).toBe('sha256');
    expect(digestAlgorithm(parseDigest(`sha512:${'0'.repeat(128)}`))).toBe('sha512');
  });

  it.each([
    '',
    'sha256:',
    `sha256:${'a'.repeat(63)}`,
    `sha256:${'a'.repeat(65)}`,
    `sha256:${'A'.repeat(64)}`,
    `sha256:${'a'.repeat(64)}\n`,
    `sha512:${'a'.repeat(64)}`,
    `sha1:${'a'.repeat(40)}`,
    'sha256:../../x',
  ])('are not %j', (text) => {
    expect(isDigest(text)).toBe(false);
    expect(() => parseDigest(text)).toThrow(
      expect.objectContaining({ code: 'INVALID_ARGUMENT', details: { field: 'digest' } }),
    );
  });

  it('are not values of another type', () => {
    for (const value of [undefined, null, 7, {}, [digest('a')]]) expect(isDigest(value)).toBe(false);
  });
});
