import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type DecodedEntry, LineDecoder, PlainDecoder } from '../src/log/decoder.js';

const decode = (text: string) => new LineDecoder('/log').push(Buffer.from(text, 'latin1'));

const entry = fc.record({
  stream: fc.constantFrom('stdout' as const, 'stderr' as const),
  text: fc.uint8Array({ maxLength: 80 }).map((bytes) => Buffer.from(bytes.filter((byte) => byte !== 0x0a))),
  whole: fc.boolean(),
});

describe('the log decoder', () => {
  it('gives back every byte of both streams however the file is cut', () => {
    fc.assert(
      fc.property(
        fc.array(entry, { maxLength: 20 }),
        fc.infiniteStream(fc.integer({ min: 1, max: 90 })),
        (entries, sizes) => {
          const file = Buffer.concat(
            entries.flatMap(({ stream, text, whole }) => [
              Buffer.from(`2026-01-02T03:04:05.000000001Z ${stream} ${whole ? 'F' : 'P'} `),
              text,
              Buffer.from('\n'),
            ]),
          );
          const decoder = new LineDecoder('/log');
          const decoded: DecodedEntry[] = [];
          for (let start = 0; start < file.length; ) {
            const end = start + (sizes.next().value ?? 1);
            decoded.push(...decoder.push(file.subarray(start, end)));
            start = end;
          }
          expect(decoded.map(({ stream, data }) => [stream, Buffer.from(data).toString('latin1')])).toEqual(
            entries.map(({ stream, text, whole }) => [stream, text.toString('latin1') + (whole ? '\n' : '')]),
          );
        },
      ),
    );
  });

  it('reads times with their fractions', () => {
    const times = decode(
      '1970-01-01T00:00:01.500250000Z stdout F a\n2024-02-29T12:00:00.000000000Z stdout F b\n2024-02-29T12:00:00.250000000Z stdout F c\n',
    ).map(({ at }) => at);
    expect(times).toEqual([1500.25, Date.UTC(2024, 1, 29, 12), Date.UTC(2024, 1, 29, 12) + 250]);
  });

  it('keeps an unfinished line back', () => {
    expect(decode('2026-01-02T03:04:05.000000001Z stdout F abc')).toEqual([]);
  });

  it.each([
    ['text alone', 'hello\n'],
    ['nothing', '\n'],
    ['no text', '2026-01-02T03:04:05.000000001Z stdout F\n'],
    ['another stream', '2026-01-02T03:04:05.000000001Z stdlog F x\n'],
    ['another tag', '2026-01-02T03:04:05.000000001Z stdout X x\n'],
    ['a time without a fraction', '2026-01-02T03:04:05Z stdout F x\n'],
    ['a month of no year', '2026-99-02T03:04:05.000000001Z stdout F x\n'],
    ['a line without end', 'x'.repeat(2 ** 20 + 1)],
  ])('takes no other line for an entry: %s', (_name, text) => {
    expect(() => decode(text)).toThrow(expect.objectContaining({ code: 'CORRUPT_STATE', details: { path: '/log' } }));
  });

  it('reads objects, of text and of bytes', () => {
    const time = '1970-01-01T00:00:01.000000000Z';
    const lines = [
      `{"log":"a\\n","stream":"stdout","time":"${time}"}\n`,
      `{"base64":"/w==","stream":"stderr","time":"${time}"}\n`,
    ];
    const ends = [lines[0]?.length, lines.join('').length];
    expect(decode(lines.join('')).map(({ data, ...rest }) => ({ ...rest, data: [...data] }))).toEqual([
      { at: 1000, stream: 'stdout', data: [0x61, 0x0a], end: ends[0] },
      { at: 1000, stream: 'stderr', data: [0xff], end: ends[1] },
    ]);
  });

  it.each(['{', '{}', '{"log":1,"stream":"stdout","time":"1970-01-01T00:00:01.000000000Z"}'])(
    'takes no other object for an entry: %s',
    (text) => {
      expect(() => decode(`${text}\n`)).toThrow(expect.objectContaining({ code: 'CORRUPT_STATE' }));
    },
  );

  it('gives the bytes of a plain file line by line, and tells where each ends', () => {
    const entries = new PlainDecoder('stderr', 10).push(Buffer.from('one\n\nrest'));
    expect(entries.map(({ stream, data, end }) => [stream, Buffer.from(data).toString(), end])).toEqual([
      ['stderr', 'one\n', 14],
      ['stderr', '\n', 15],
      ['stderr', 'rest', 19],
    ]);
  });
});
