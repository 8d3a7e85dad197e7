import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { encodeFrame, FrameDecoder, maxFrame, maxU64 } from '../../packages/launcher/src/protocol.generated.js';

const pathOf = (relative: string) => fileURLToPath(new URL(relative, import.meta.url));

describe('the generated files', () => {
  it('are up to date', () => {
    execFileSync(process.execPath, [pathOf('../protocol/generate.mjs'), '--check'], { stdio: 'pipe' });
  }, 60_000);

  it('come from codes that are each used once', () => {
    const { messages, steps } = JSON.parse(readFileSync(pathOf('../protocol/protocol.json'), 'utf8'));
    for (const group of [steps, { ...messages.hostToShim, ...messages.shimToHost }]) {
      const codes = Object.values<{ code: number }>(group).map(({ code }) => code);
      expect(new Set(codes).size).toBe(codes.length);
    }
  });
});

describe('encodeFrame', () => {
  it('writes little-endian fields after a length', () => {
    const frame = encodeFrame({ op: 'signal', request: 0x01020304, signal: -2 });
    expect([...frame]).toEqual([9, 0, 0, 0, 3, 4, 3, 2, 1, 0xfe, 0xff, 0xff, 0xff]);
  });

  it.each([-1, 1.5, Number.NaN, 2 ** 32])('refuses %d where a u32 belongs', (request) => {
    expect(() => encodeFrame({ op: 'status', request })).toThrow(
      expect.objectContaining({ code: 'INVALID_ARGUMENT', details: { field: 'status.request' } }),
    );
  });

  const launch = (argument: string, logMaxBytes = 0) =>
    encodeFrame({
      op: 'launch',
      id: '',
      stateDir: '/',
      input: 0,
      logFormat: 0,
      logMaxBytes,
      logMaxFiles: 1,
      unshare: 0,
      release: 0,
      groups: 0,
      uidMap: '',
      gidMap: '',
      setgroups: 0,
      outside: 0,
      rootUid: 0,
      rootGid: 0,
      agent: '',
      steps: [{ op: 'exec', argv: [argument], env: [] }],
    });

  it('refuses a text with a NUL, and a frame that is too long', () => {
    expect(() => launch('a\0b')).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
    expect(() => launch('x'.repeat(maxFrame))).toThrow(expect.objectContaining({ code: 'LIMIT_EXCEEDED' }));
  });

  it('writes the greatest u64, and refuses numbers that are not exact', () => {
    expect(Buffer.from(launch('x', maxU64)).includes(Buffer.alloc(8, 0xff))).toBe(true);
    expect(() => launch('x', 2 ** 53)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
  });
});

describe('FrameDecoder', () => {
  const done = [9, 0, 0, 0, 69, 1, 0, 0, 0, 3, 0, 0, 0];

  it('puts messages together from any pieces', () => {
    const decoder = new FrameDecoder();
    const bytes = Uint8Array.from([...done, ...done]);
    const messages = [...bytes].flatMap((byte) => decoder.push(Uint8Array.of(byte)));
    expect(messages).toEqual([
      { op: 'done', request: 1, errno: 3 },
      { op: 'done', request: 1, errno: 3 },
    ]);
    expect(new FrameDecoder().push(bytes)).toEqual(messages);
  });

  it.each([
    ['an unknown code', [1, 0, 0, 0, 200]],
    ['a length of nothing', [0, 0, 0, 0]],
    ['a length beyond the limit', [0, 0, 0, 255]],
    ['fields that are missing', [2, 0, 0, 0, 69, 1]],
    ['bytes after the fields', [10, 0, 0, 0, ...done.slice(4), 0]],
  ])('throws SHIM_LOST for %s', (_, bytes) => {
    expect(() => new FrameDecoder().push(Uint8Array.from(bytes))).toThrow(
      expect.objectContaining({ code: 'SHIM_LOST' }),
    );
  });
});
