import { describe, expect, it } from 'vitest';
import { archive, base256, entry, file, padded, pax } from './archive-builder.js';
import { expectError, readAll } from './reading.js';

const octal = (value: number) => Buffer.from(`${value.toString(8).padStart(11, '0')}\0`);

/** A file of GNU's old format, all of whose segments are in the header. */
function oldSparse(segments: readonly (readonly [number, number])[], realSize: Buffer, body: string): Buffer {
  const raw: [number, Buffer][] = [
    [257, Buffer.from('ustar  \0')],
    [483, realSize],
  ];
  segments.forEach(([offset, length], i) => {
    raw.push([386 + i * 24, octal(offset)], [386 + i * 24 + 12, octal(length)]);
  });
  return entry({ name: 's', type: 'S', body, raw });
}

const format1 = (realSize: string, map: string, body: string) =>
  Buffer.concat([
    pax([
      ['GNU.sparse.major', '1'],
      ['GNU.sparse.minor', '0'],
      ['GNU.sparse.name', 'real'],
      ['GNU.sparse.realsize', realSize],
    ]),
    entry({ name: 'GNUSparseFile.1/real', body: Buffer.concat([padded(Buffer.from(map)), Buffer.from(body)]) }),
  ]);

const expected = Buffer.concat([
  Buffer.alloc(10),
  Buffer.from('abc'),
  Buffer.alloc(7),
  Buffer.from('de'),
  Buffer.alloc(8),
]);

describe('sparse files', () => {
  it.each([
    [
      'old GNU',
      oldSparse(
        [
          [10, 3],
          [20, 2],
        ],
        octal(30),
        'abcde',
      ),
      's',
    ],
    [
      'PAX 0.0',
      Buffer.concat([
        pax([
          ['GNU.sparse.size', '30'],
          ['GNU.sparse.numblocks', '2'],
          ['GNU.sparse.offset', '10'],
          ['GNU.sparse.numbytes', '3'],
          ['GNU.sparse.offset', '20'],
          ['GNU.sparse.numbytes', '2'],
        ]),
        file('zero', 'abcde'),
      ]),
      'zero',
    ],
    [
      'PAX 0.1',
      Buffer.concat([
        pax([
          ['GNU.sparse.size', '30'],
          ['GNU.sparse.name', 'real'],
          ['GNU.sparse.map', '10,3,20,2'],
        ]),
        file('GNUSparseFile.1/real', 'abcde'),
      ]),
      'real',
    ],
    ['PAX 1.0', format1('30', '2\n10\n3\n20\n2\n', 'abcde'), 'real'],
  ])('%s is expanded', async (_, sparse, name) => {
    for (const chunk of [undefined, 1, 100]) {
      const entries = await readAll(archive(sparse, file('next')), chunk);
      expect(entries.map((each) => [each.name.toString(), each.size])).toEqual([
        [name, 30],
        ['next', 7],
      ]);
      expect(entries[0]?.content).toEqual(expected);
    }
  });

  it('a file of nothing but a hole has its size', async () => {
    const [first] = await readAll(archive(format1('100000', '1\n100000\n0\n', '')));
    expect(first?.content).toEqual(Buffer.alloc(100_000));
  });

  it('a real size of 2^60, or over the budget, is refused', async () => {
    await expectError(readAll(archive(oldSparse([[0, 5]], base256(2n ** 60n, 12), 'abcde'))), 'INVALID_ARCHIVE');
    await expectError(readAll(archive(oldSparse([[0, 5]], base256(2n ** 50n, 12), 'abcde'))), 'LIMIT_EXCEEDED');
    await expectError(readAll(archive(format1(String(2 ** 50), '1\n0\n1\n', 'x'))), 'LIMIT_EXCEEDED');
    await expectError(readAll(archive(format1(String(2n ** 60n), '1\n0\n1\n', 'x'))), 'INVALID_ARCHIVE');
  });

  it.each([
    ['overlapping segments', '2\n0\n3\n2\n2\n'],
    ['a segment behind the end', '2\n0\n3\n29\n2\n'],
    ['segments of more bytes than stored', '1\n0\n6\n'],
    ['segments of fewer bytes than stored', '1\n0\n4\n'],
    ['a count that lies', '1000000\n0\n5\n'],
    ['no number', 'x\n0\n5\n'],
    ['an endless number', `${'1'.repeat(400)}\n`],
  ])('a map with %s is refused', async (_, map) => {
    await expectError(readAll(archive(format1('30', map, 'abcde'))), 'INVALID_ARCHIVE');
  });

  it('a map of an odd count, of no size, or of an unknown version is refused', async () => {
    const size: [string, string] = ['GNU.sparse.size', '30'];
    for (const records of [
      [size, ['GNU.sparse.map', '10,3,20']],
      [['GNU.sparse.map', '0,5']],
      [size, ['GNU.sparse.major', '2'], ['GNU.sparse.minor', '0']],
    ] as [string, string][][]) {
      await expectError(readAll(archive(pax(records), file('f', 'abcde'))), 'INVALID_ARCHIVE');
    }
  });

  it('a map larger than an extended header may be is refused', async () => {
    const map = `200000\n${'0\n0\n'.repeat(200_000)}`;
    await expectError(readAll(archive(format1('30', map, '')), undefined, { headerBytes: 4096 }), 'LIMIT_EXCEEDED');
  });
});
