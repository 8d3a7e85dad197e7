import { isGantryError } from '@gantry/interface';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseEntryPath } from '../src/entry-path.js';
import { readTar } from '../src/read-tar.js';
import { archive, entry, file, folder, gnuLong, hardlink, pax, symlink } from './archive-builder.js';
import { readAll } from './reading.js';

const sparse = Buffer.concat([
  pax([
    ['GNU.sparse.major', '1'],
    ['GNU.sparse.minor', '0'],
    ['GNU.sparse.name', 'real'],
    ['GNU.sparse.realsize', '30'],
  ]),
  entry({ name: 'x', body: Buffer.concat([Buffer.from('2\n1\n3\n20\n2\n'.padEnd(512, '\0')), Buffer.from('abcde')]) }),
]);

const sample = archive(
  folder('d/'),
  pax([
    ['path', 'long'.repeat(50)],
    ['mtime', '1.5'],
    ['SCHILY.xattr.user.x', 'y'],
  ]),
  file('f', 'x'.repeat(700)),
  gnuLong('L', 'gnu'.repeat(60)),
  symlink('s', 't'),
  hardlink('h', 'f'),
  sparse,
  entry({ name: 'c', type: '3', device: [1, 3] }),
);

/** Cuts bytes into chunks at the places given. */
async function* cut(bytes: Buffer, places: readonly number[]): AsyncGenerator<Uint8Array> {
  let at = 0;
  for (const place of [...places, bytes.length].sort((a, b) => a - b)) {
    if (place > at) yield bytes.subarray(at, place);
    at = Math.max(at, place);
  }
}

/** Reads everything; the count of entries, or the code of the error. */
async function outcome(source: AsyncIterable<Uint8Array>): Promise<number | string> {
  let count = 0;
  try {
    for await (const { body, size } of readTar(source, {
      budget: { bytes: 2 ** 22, entries: 1000, headerBytes: 4096 },
    })) {
      let read = 0;
      if (count % 2 === 0) {
        for await (const piece of body) read += piece.length;
        expect(read).toBe(size);
      }
      count++;
    }
    return count;
  } catch (error) {
    if (isGantryError(error)) return error.code;
    throw error;
  }
}

describe('properties', { timeout: 60_000 }, () => {
  it('entries do not depend on where chunks end', async () => {
    const whole = await readAll(sample);
    const place = fc.nat(sample.length);
    await fc.assert(
      fc.asyncProperty(fc.array(place, { maxLength: 40 }), async (places) => {
        const names: string[] = [];
        for await (const { name, body } of readTar(cut(sample, places))) {
          const pieces: Uint8Array[] = [];
          for await (const piece of body) pieces.push(piece);
          names.push(`${name} ${Buffer.concat(pieces)}`);
        }
        expect(names).toEqual(whole.map(({ name, content }) => `${name} ${content}`));
      }),
      { numRuns: 200 },
    );
  });

  it('a mutated archive gives entries or a GantryError, the same for any chunks, and never hangs', async () => {
    const mutation = fc.record({ at: fc.nat(sample.length - 1), byte: fc.nat(255) });
    const seen = new Set<string | number>();
    await fc.assert(
      fc.asyncProperty(
        fc.array(mutation, { minLength: 1, maxLength: 4 }),
        fc.nat(sample.length),
        fc.boolean(),
        fc.array(fc.nat(sample.length), { maxLength: 10 }),
        async (mutations, end, isCut, places) => {
          const bytes = Buffer.from(sample);
          for (const { at, byte } of mutations) bytes[at] = byte;
          const fixed = withChecksums(bytes).subarray(0, isCut ? end : undefined);
          const result = await outcome(cut(fixed, places));
          seen.add(result);
          expect(result).toBe(await outcome(cut(fixed, [])));
        },
      ),
      { numRuns: 1500 },
    );
    expect(seen.size).toBeGreaterThan(2);
  });

  it('noise is refused', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ minLength: 512, maxLength: 3000 }), async (noise) => {
        fc.pre(noise.subarray(0, 512).some((byte) => byte !== 0));
        expect(await outcome(cut(Buffer.from(noise), []))).toBe('INVALID_ARCHIVE');
      }),
      { numRuns: 200 },
    );
  });

  it('a path is what a lexical reading of it gives, or refused', () => {
    const component = fc.constantFrom('', '.', '..', 'a', 'bc', '...', '.a', '.wh.x');
    fc.assert(
      fc.property(fc.array(component, { minLength: 1, maxLength: 8 }), (components) => {
        const name = components.join('/');
        const kept = components.filter((each) => each !== '' && each !== '.');
        if (kept.includes('..')) {
          expect(() => parseEntryPath(Buffer.from(name))).toThrow(expect.objectContaining({ code: 'INVALID_ARCHIVE' }));
          return;
        }
        const { path, nameStart, whiteoutFolder } = parseEntryPath(Buffer.from(name));
        expect(path.toString()).toBe(kept.join('/'));
        expect(path.subarray(nameStart).toString()).toBe(kept.at(-1) ?? '');
        const first = kept.slice(0, -1).findIndex((each) => each.startsWith('.wh.'));
        expect(whiteoutFolder).toBe(
          first < 0 ? -1 : kept.slice(0, first).reduce((sum, each) => sum + each.length + 1, 0),
        );
      }),
    );
  });
});

/** Makes the checksums of the sample's headers right again, so that mutations reach what is behind them. */
function withChecksums(bytes: Buffer): Buffer {
  for (let at = 0; at + 512 <= bytes.length; at += 512) {
    const block = bytes.subarray(at, at + 512);
    if (sample.toString('latin1', at + 257, at + 262) !== 'ustar') continue;
    block.fill(' ', 148, 156);
    const sum = block.reduce((total, byte) => total + byte, 0);
    block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  }
  return bytes;
}
