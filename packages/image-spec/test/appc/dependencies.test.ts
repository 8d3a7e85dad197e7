import type { Digest } from '@gantry/interface';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  orderAppcDependencies,
  parseAppcImageManifest,
  type ResolvedAppcImage,
  whitelistFilter,
} from '../../src/index.js';
import { encode } from '../documents.js';
import { cpuTime } from '../support/cpu-time.js';

const digestOf = (name: string) => `sha512:${Buffer.from(name).toString('hex').padEnd(128, '0')}` as const;
const nameOf = (id: Digest) => Buffer.from(id.slice(7), 'hex').toString().replaceAll('\0', '');

interface Graph {
  readonly [name: string]: readonly string[];
}

function resolve(graph: Graph, whitelists: Graph = {}): ReadonlyMap<Digest, ResolvedAppcImage> {
  return new Map(
    Object.entries(graph).map(([name, dependencies]): [Digest, ResolvedAppcImage] => {
      const manifest = parseAppcImageManifest(
        encode({
          acKind: 'ImageManifest',
          acVersion: '0.8.11',
          name,
          dependencies: dependencies.map((imageName) => ({ imageName })),
          pathWhitelist: whitelists[name] ?? [],
        }),
      );
      return [digestOf(name), { manifest, dependencies: dependencies.map(digestOf) }];
    }),
  );
}

const order = (graph: Graph, whitelists?: Graph) =>
  orderAppcDependencies(digestOf('a'), resolve(graph, whitelists)).map((step) => nameOf(step.id));

describe('orderAppcDependencies', () => {
  it.each<[string, Graph, string]>([
    ['an image alone', { a: [] }, 'a'],
    ['dependencies in their order', { a: ['b', 'c'], b: [], c: [] }, 'b c a'],
    ['dependencies of dependencies before them', { a: ['b', 'c'], b: [], c: ['d'], d: [] }, 'b d c a'],
    // Laid down as d b d c a: the first d changes nothing.
    ['a shared dependency once, where it comes last', { a: ['b', 'c'], b: ['d'], c: ['d'], d: [] }, 'b d c a'],
    ['a dependency twice in one list', { a: ['b', 'c', 'b'], b: [], c: [] }, 'c b a'],
  ])('lays down %s', (_, graph, expected) => {
    expect(order(graph)).toEqual(expected.split(' '));
  });

  it('keeps an image as often as whitelists differ', () => {
    const graph = { a: ['b', 'c'], b: ['d'], c: ['d'], d: [] };
    expect(order(graph, { b: ['/x'] })).toEqual(['d', 'b', 'd', 'c', 'a']);
    expect(order(graph, { b: ['/x', '/y'], c: ['/y', '/x'] })).toEqual(['b', 'd', 'c', 'a']);
    expect(order(graph, { a: ['/x'] })).toEqual(['b', 'd', 'c', 'a']);
  });

  it('lets through what every image above lets through', () => {
    const graph = { a: ['b'], b: ['c'], c: [] };
    const steps = orderAppcDependencies(digestOf('a'), resolve(graph, { a: ['/x', '/y'], c: ['/y', '/z'] }));
    expect(steps.map((step) => step.whitelist && [...step.whitelist])).toEqual([['/y'], ['/x', '/y'], ['/x', '/y']]);
    expect(orderAppcDependencies(digestOf('a'), resolve(graph))[0]).not.toHaveProperty('whitelist');
  });

  it.each<[string, Graph, string]>([
    ['itself', { a: ['a'] }, 'a a'],
    ['what depends on it', { a: ['b'], b: ['c'], c: ['b'] }, 'a b c b'],
    ['an image that is missing', { a: ['b'] }, 'a b'],
  ])('refuses an image that depends on %s', (_, graph, way) => {
    expect(() => order(graph)).toThrow(
      expect.objectContaining({
        code: 'INVALID_DOCUMENT',
        details: { path: '$.dependencies', ids: way.split(' ').map(digestOf) },
      }),
    );
  });

  it('finds a loop also where whitelists differ on the way', () => {
    expect(() => order({ a: ['b'], b: ['a'] }, { a: ['/x'], b: ['/y'] })).toThrow(/depends on itself/);
  });

  it('refuses a resolution that is not of the manifest', () => {
    const images = new Map(resolve({ a: ['b'], b: [] }));
    const top = images.get(digestOf('a'));
    if (top) images.set(digestOf('a'), { ...top, dependencies: [] });
    expect(() => orderAppcDependencies(digestOf('a'), images)).toThrow(
      expect.objectContaining({ code: 'INVALID_DOCUMENT' }),
    );
  });

  it('is limited in depth and in steps', () => {
    const chain = (length: number) => {
      const names = Array.from({ length }, (_, index) => (index === 0 ? 'a' : `n${index}`));
      return Object.fromEntries(names.map((name, index) => [name, names.slice(index + 1, index + 2)]));
    };
    expect(order(chain(32))).toHaveLength(32);
    expect(() => order(chain(33))).toThrow(expect.objectContaining({ code: 'LIMIT_EXCEEDED' }));
    const leaves = Array.from({ length: 512 }, (_, index) => `n${index}`);
    const wide = { a: leaves, ...Object.fromEntries(leaves.map((name) => [name, []])) };
    expect(() => order(wide)).toThrow(expect.objectContaining({ code: 'LIMIT_EXCEEDED' }));
  });

  it('takes no time for a web with a billion ways through it', () => {
    const names = Array.from({ length: 31 }, (_, index) => (index === 0 ? 'a' : `n${index}`));
    const web = Object.fromEntries(
      names.map((name, index) => [name, index + 1 < names.length ? [names[index + 1], names[index + 1]] : []]),
    ) as Graph;
    expect(cpuTime(() => expect(order(web)).toHaveLength(31))).toBeLessThan(1000);
  });

  it('gives the files that laying down everything gives', () => {
    const names = ['a', 'b', 'c', 'd', 'e'];
    const files = ['/1', '/2', '/3'];
    const below = (index: number) => fc.subarray(names.slice(index + 1)).chain((some) => fc.shuffledSubarray(some));
    const model = fc.record({
      graph: fc.tuple(...names.map((_, index) => below(index))),
      contents: fc.tuple(...names.map(() => fc.subarray(files))),
      whitelists: fc.tuple(...names.map(() => fc.option(fc.subarray(files, { minLength: 1 }), { nil: [] }))),
    });
    const record = (values: readonly string[][]): Graph =>
      Object.fromEntries(names.map((name, index) => [name, values[index] ?? []]));
    fc.assert(
      fc.property(model, ({ graph, contents, whitelists }) => {
        const [edges, has, allows] = [record(graph), record(contents), record(whitelists)];
        const expected = new Map<string, string>();
        // What the specification says: every dependency, every time, filtered by all whitelists above and its own.
        const lay = (name: string, allowed: readonly string[]) => {
          const list = allows[name] ?? [];
          const own = list.length > 0 ? allowed.filter((file) => list.includes(file)) : allowed;
          for (const dependency of edges[name] ?? []) lay(dependency, own);
          for (const file of has[name] ?? []) if (own.includes(file)) expected.set(file, name);
        };
        lay('a', files);

        const actual = new Map<string, string>();
        for (const { id, whitelist } of orderAppcDependencies(digestOf('a'), resolve(edges, allows))) {
          const keeps = whitelist ? whitelistFilter(whitelist) : () => true;
          for (const file of has[nameOf(id)] ?? []) if (keeps(file)) actual.set(file, nameOf(id));
        }
        expect(new Map([...actual].sort())).toEqual(new Map([...expected].sort()));
      }),
      { numRuns: 500 },
    );
  });
});
