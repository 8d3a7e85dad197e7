import { describe, expect, it } from 'vitest';
import { parseWhiteout } from '../src/whiteout.js';

describe('parseWhiteout', () => {
  it.each([
    ['file', { kind: 'none' }],
    ['.whx', { kind: 'none' }],
    ['.wh', { kind: 'none' }],
    ['.wh.file', { kind: 'whiteout', name: Buffer.from('file') }],
    ['.wh..hidden', { kind: 'whiteout', name: Buffer.from('.hidden') }],
    ['.wh....', { kind: 'whiteout', name: Buffer.from('...') }],
    ['.wh..wh..opq', { kind: 'opaque' }],
    ['.wh..wh.plnk', { kind: 'metadata' }],
  ])('%s', (name, expected) => {
    expect(parseWhiteout(Buffer.from(name))).toEqual(expected);
  });

  it('keeps a name that is no UTF-8', () => {
    expect(parseWhiteout(Buffer.from('2e77682eff', 'hex'))).toEqual({ kind: 'whiteout', name: Buffer.from([0xff]) });
  });

  it.each(['.wh.', '.wh..', '.wh...', '.wh..wh.', '.wh..wh.x'])('%s is refused', (name) => {
    expect(() => parseWhiteout(Buffer.from(name))).toThrow(expect.objectContaining({ code: 'INVALID_ARCHIVE' }));
  });
});
