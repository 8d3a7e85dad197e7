import type { Digest } from '@gantry/interface';
import { describe, expect, it } from 'vitest';
import { chooseGarbage, type Inventory, type InventoryReference } from '../src/garbage/choice.js';

const always = { usedSince: Number.POSITIVE_INFINITY, exclude: new Set<string>() };

function digest(name: string): Digest {
  return `sha256:${Buffer.from(name).toString('hex').padEnd(64, '0')}`;
}

function reference(name: string, lastUse: number, blobs: string[], layers: string[] = []): InventoryReference {
  const manifest = digest(`manifest ${name}`);
  return {
    reference: name,
    lastUse,
    manifests: new Set([manifest]),
    blobs: new Set([manifest, ...blobs.map(digest)]),
    layers: new Set(layers.map(digest)),
  };
}

function inventory(references: InventoryReference[], extra: Partial<Inventory> = {}): Inventory {
  const names = references.flatMap((one) => [...one.blobs]);
  const layers = references.flatMap((one) => [...one.layers]);
  return {
    references,
    claims: { references: new Set(), blobs: new Set(), layers: new Set() },
    blobs: new Map(names.map((name) => [name, 10])),
    layers: new Map(layers.map((name) => [name, 100])),
    ...extra,
  };
}

describe('choice of garbage', () => {
  it('takes what nobody leads to, and only that where every reference stays', () => {
    const stock = inventory([reference('a', 1, ['x'], ['l'])], {
      blobs: new Map([
        [digest('x'), 1],
        [digest('lost'), 2],
      ]),
      layers: new Map([
        [digest('l'), 1],
        [digest('stray'), 2],
      ]),
    });
    expect(chooseGarbage(stock, { ...always, exclude: new Set(['a']) })).toEqual({
      references: [],
      blobs: [digest('lost')],
      layers: [digest('stray')],
    });
  });

  it('keeps what two references share until both go', () => {
    const stock = inventory([reference('a', 1, ['shared', 'x'], ['base']), reference('b', 2, ['shared'], ['base'])]);
    const one = chooseGarbage(stock, { ...always, exclude: new Set(['b']) });
    expect(one).toEqual({ references: ['a'], blobs: [digest('manifest a'), digest('x')], layers: [] });
    expect(chooseGarbage(stock, always).blobs).toHaveLength(4);
    expect(chooseGarbage(stock, always).layers).toEqual([digest('base')]);
  });

  it('stops at the bytes that are needed, oldest use first, and counts what is lost before any reference', () => {
    const references = [reference('new', 30, ['n']), reference('old', 10, ['o']), reference('mid', 20, ['m'])];
    const stock = inventory(references);
    expect(chooseGarbage(stock, { ...always, neededBytes: 1 }).references).toEqual(['old']);
    expect(chooseGarbage(stock, { ...always, neededBytes: 20 }).references).toEqual(['old']);
    expect(chooseGarbage(stock, { ...always, neededBytes: 21 }).references).toEqual(['old', 'mid']);
    const lost = { ...stock, blobs: new Map([...stock.blobs, [digest('lost'), 25] as const]) };
    expect(chooseGarbage(lost, { ...always, neededBytes: 21 })).toMatchObject({
      references: [],
      blobs: [digest('lost')],
    });
  });

  it('does not count on shared bytes that stay', () => {
    const references = [
      reference('old', 1, ['shared']),
      reference('mid', 2, ['shared', 'm']),
      reference('new', 3, ['n']),
    ];
    const stock = inventory(references);
    expect(chooseGarbage(stock, { ...always, neededBytes: 11 }).references).toEqual(['old', 'mid']);
  });

  it('leaves references alone that are claimed, or that lead to an image which is', () => {
    const references = ['held', 'leased', 'other'].map((name) => reference(name, 1, []));
    const claims = {
      references: new Set(['held']),
      blobs: new Set([digest('manifest leased')]),
      layers: new Set<Digest>(),
    };
    expect(chooseGarbage(inventory(references, { claims }), always).references).toEqual(['other']);
  });

  it('keeps what was used since', () => {
    const stock = inventory([reference('a', 99, []), reference('b', 100, []), reference('c', 101, [])]);
    expect(chooseGarbage(stock, { ...always, usedSince: 100 }).references).toEqual(['a']);
  });
});
