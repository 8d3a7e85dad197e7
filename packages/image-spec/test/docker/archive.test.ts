import { describe, expect, it } from 'vitest';
import {
  MediaType,
  parseDockerArchiveManifest,
  parseDockerRepositories,
  parseImageConfig,
  parseV1Image,
  type V1Image,
  v1ImageChain,
  v1ImageConfig,
} from '../../src/index.js';
import { digest, encode } from '../documents.js';

const id = (digit: string) => digit.repeat(64);
const invalidAt = (path: string) =>
  expect.objectContaining({ code: 'INVALID_DOCUMENT', details: expect.objectContaining({ path }) });

/** As `docker save redis:7 internal:5000/redis:7` of Docker 25 writes it. */
const saved = {
  Config: `blobs/sha256/${id('c')}`,
  RepoTags: ['redis:7', 'internal:5000/redis:7'],
  Layers: [`blobs/sha256/${id('1')}`, `blobs/sha256/${id('2')}`],
  LayerSources: { [digest('1')]: { mediaType: MediaType.ociLayer, size: 77, digest: digest('1') } },
};

describe('parseDockerArchiveManifest', () => {
  it('reads what Docker writes', () => {
    expect(parseDockerArchiveManifest(encode([saved]))).toEqual([
      {
        config: saved.Config,
        layers: saved.Layers,
        references: ['docker.io/library/redis:7', 'internal:5000/redis:7'],
        layerSources: new Map([[digest('1'), saved.LayerSources[digest('1')]]]),
      },
    ]);
  });

  it('reads several images, without tags and sources', () => {
    const first = { Config: 'a.json', RepoTags: null, Layers: ['a/layer.tar'] };
    const second = { Config: './b.json', Layers: [] };
    expect(parseDockerArchiveManifest(encode([first, second]))).toEqual([
      { config: 'a.json', layers: ['a/layer.tar'], references: [], layerSources: new Map() },
      { config: 'b.json', layers: [], references: [], layerSources: new Map() },
    ]);
  });

  it.each([
    ['./a//b/./layer.tar', 'a/b/layer.tar'],
    ['a/layer.tar/', 'a/layer.tar'],
    ['..a/b..', '..a/b..'],
  ])('normalises %s', (path, normal) => {
    expect(parseDockerArchiveManifest(encode([{ ...saved, Layers: [path] }]))[0]?.layers).toEqual([normal]);
  });

  it.each([
    '/etc/passwd',
    '//etc',
    '../a',
    'a/../../b',
    'a/..',
    '',
    '.',
    './',
    'a\0b',
    'a\nb',
    'C:\\x',
    `${'a'.repeat(256)}`,
    'a/'.repeat(3000),
  ])('refuses the path %j', (path) => {
    expect(() => parseDockerArchiveManifest(encode([{ ...saved, Layers: ['a', path] }]))).toThrow(
      invalidAt('$[0].Layers[1]'),
    );
    expect(() => parseDockerArchiveManifest(encode([{ ...saved, Config: path }]))).toThrow(invalidAt('$[0].Config'));
  });

  it.each([
    ['no images', [], '$'],
    ['an object', {}, '$'],
    ['no config', [{ ...saved, Config: undefined }], '$[0].Config'],
    ['no layers', [saved, { ...saved, Layers: undefined }], '$[1].Layers'],
    ['a key in another case', [{ ...saved, layers: [] }], '$[0].layers'],
    ['a tag that is none', [{ ...saved, RepoTags: ['redis:7', '../x'] }], '$[0].RepoTags[1]'],
    ['a tag with a digest', [{ ...saved, RepoTags: [`redis@${digest('1')}`] }], '$[0].RepoTags[0]'],
    ['a source of no digest', [{ ...saved, LayerSources: { x: {} } }], '$[0].LayerSources.x'],
    [
      'a source that is no descriptor',
      [{ ...saved, LayerSources: { [digest('1')]: {} } }],
      `$[0].LayerSources[${JSON.stringify(digest('1'))}].digest`,
    ],
  ])('refuses %s', (_, document, path) => {
    expect(() => parseDockerArchiveManifest(encode(document))).toThrow(invalidAt(path));
  });
});

describe('parseDockerRepositories', () => {
  it('gives ids by canonical reference', () => {
    const repositories = { redis: { latest: id('a'), '7': id('b') }, 'internal:5000/redis': { x: id('a') } };
    expect(parseDockerRepositories(encode(repositories))).toEqual(
      new Map([
        ['docker.io/library/redis:7', id('b')],
        ['docker.io/library/redis:latest', id('a')],
        ['internal:5000/redis:x', id('a')],
      ]),
    );
    expect(parseDockerRepositories(encode({}))).toEqual(new Map());
  });

  it.each([
    ['an array', [], '$'],
    ['text for tags', { redis: 'x' }, '$.redis'],
    ['an id that is a path', { redis: { x: '../../etc' } }, '$.redis.x'],
    ['an id that is an object', { redis: { x: {} } }, '$.redis.x'],
    ['a name that is a path', { '../redis': { x: id('a') } }, '$["../redis"].x'],
    ['a tag that is a path', { redis: { 'x/..': id('a') } }, '$.redis["x/.."]'],
    ['a name that is special', JSON.parse(`{"__proto__":{"x":"${id('a')}"}}`), '$.__proto__.x'],
    [
      'one reference in two spellings',
      { redis: { x: id('a') }, 'docker.io/redis': { x: id('a') } },
      '$["docker.io/redis"].x',
    ],
  ])('refuses %s', (_, document, path) => {
    expect(() => parseDockerRepositories(encode(document))).toThrow(invalidAt(path));
  });
});

const lowest = { id: id('a'), created: '2014-01-01T00:00:00Z', container_config: { Cmd: ['ADD', 'file'] } };
const topmost = {
  id: id('b'),
  parent: id('a'),
  os: 'linux',
  architecture: 'arm64',
  config: { Cmd: ['/app'] },
  Size: 9,
};

describe('parseV1Image', () => {
  it('reads an image and keeps what it does not know', () => {
    expect(parseV1Image(encode({ ...lowest, parent: '', checksum: 'x' }))).toMatchObject({
      id: id('a'),
      created: '2014-01-01T00:00:00Z',
      createdBy: 'ADD file',
      throwaway: false,
      raw: { checksum: 'x' },
    });
    expect(parseV1Image(encode(lowest))).not.toHaveProperty('parent');
  });

  it.each([
    ['no id', { ...lowest, id: undefined }, '$.id'],
    ['a short id', { ...lowest, id: 'abc' }, '$.id'],
    ['a parent that is a path', { ...lowest, parent: '..' }, '$.parent'],
    ['a command as text', { ...lowest, container_config: { Cmd: 'sh' } }, '$.container_config.Cmd'],
    ['another spelling of a field that is written', { ...lowest, RootFS: {} }, '$.RootFS'],
  ])('refuses %s', (_, document, path) => {
    expect(() => parseV1Image(encode(document))).toThrow(invalidAt(path));
  });
});

describe('v1ImageChain', () => {
  const images = (...all: readonly object[]) =>
    new Map(all.map((one) => parseV1Image(encode(one))).map((image): [string, V1Image] => [image.id, image]));

  it('goes from the lowest image to the one asked for', () => {
    const chain = v1ImageChain(images(topmost, { ...lowest, id: id('c') }, lowest), id('b'));
    expect(chain.map((image) => image.id)).toEqual([id('a'), id('b')]);
  });

  it('ends at a loop, a gap and a thousand images', () => {
    const loop = images(topmost, { ...lowest, parent: id('b') });
    expect(() => v1ImageChain(loop, id('b'))).toThrow(/stands on itself/);
    expect(() => v1ImageChain(images(topmost), id('b'))).toThrow(invalidAt('$.parent'));
    expect(() => v1ImageChain(images(), id('b'))).toThrow(/is missing/);
    const idOf = (index: number) => index.toString(16).padStart(64, '0');
    const long = images(...Array.from({ length: 1025 }, (_, index) => ({ id: idOf(index), parent: idOf(index + 1) })));
    expect(() => v1ImageChain(long, idOf(0))).toThrow(expect.objectContaining({ code: 'LIMIT_EXCEEDED' }));
  });
});

describe('v1ImageConfig', () => {
  const chain = [lowest, topmost].map((image) => parseV1Image(encode(image)));

  it('makes the same config every time', () => {
    const bytes = v1ImageConfig(chain, [digest('1'), digest('2')]);
    expect(parseImageConfig(bytes)).toMatchObject({
      config: { cmd: ['/app'], platform: { os: 'linux', architecture: 'arm64' } },
      diffIds: [digest('1'), digest('2')],
    });
    expect(JSON.parse(new TextDecoder().decode(bytes))).not.toHaveProperty('Size');
    expect(v1ImageConfig(chain, [digest('1'), digest('2')])).toEqual(bytes);
  });

  it('keeps a field called __proto__ a field', () => {
    const text = JSON.stringify(topmost).replace('"Size":9', '"__proto__":{"polluted":true}');
    const image = parseV1Image(new TextEncoder().encode(text));
    const document = new TextDecoder().decode(v1ImageConfig([chain[0] ?? image, image], [digest('1'), digest('2')]));
    expect(document).toContain('"__proto__":{"polluted":true}');
  });

  it('wants images, and a diff id for each', () => {
    expect(() => v1ImageConfig(chain, [digest('1')])).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
    expect(() => v1ImageConfig([], [])).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
  });
});
