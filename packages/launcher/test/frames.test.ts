import { isGantryError } from '@gantry/interface';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FrameDecoder, maxFrame, type ShimMessage } from '../src/protocol.generated.js';

const u32 = (value: number) => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
};
const i32 = (value: number) => {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32LE(value);
  return bytes;
};
const u64 = (value: number) => {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(value));
  return bytes;
};
const u8 = (value: number) => Buffer.from([value]);
const text = (value: string) => Buffer.concat([u32(Buffer.byteLength(value)), Buffer.from(value), u8(0)]);

/** Written by hand from the description of the protocol, so that it is no mirror of the code under test. */
function encode(message: ShimMessage): Buffer {
  const fields = (): Buffer[] => {
    switch (message.op) {
      case 'hello':
        return [
          u8(65),
          u32(message.version),
          i32(message.shimPid),
          i32(message.pid),
          u64(message.startTime),
          u8(message.released),
        ];
      case 'cloned':
        return [u8(70), i32(message.pid)];
      case 'failed':
        return [u8(66), u32(message.step), text(message.name), i32(message.errno), text(message.path)];
      case 'started':
        return [u8(67), u64(message.at)];
      case 'exited':
        return [u8(68), u8(message.type), i32(message.value), u64(message.at)];
      case 'done':
        return [u8(69), u32(message.request), i32(message.errno)];
    }
  };
  const body = Buffer.concat(fields());
  return Buffer.concat([u32(body.length), body]);
}

const number32 = fc.integer({ min: 0, max: 0xffffffff });
const signed32 = fc.integer();
const number64 = fc.maxSafeNat();
const byte = fc.integer({ min: 0, max: 255 });
const word = fc.string({ unit: 'grapheme', maxLength: 40 }).filter((value) => !value.includes('\0'));
const message: fc.Arbitrary<ShimMessage> = fc.oneof(
  fc.record({ op: fc.constant('cloned' as const), pid: signed32 }),
  fc.record({
    op: fc.constant('hello' as const),
    version: number32,
    shimPid: signed32,
    pid: signed32,
    startTime: number64,
    released: byte,
  }),
  fc.record({ op: fc.constant('failed' as const), step: number32, name: word, errno: signed32, path: word }),
  fc.record({ op: fc.constant('started' as const), at: number64 }),
  fc.record({ op: fc.constant('exited' as const), type: byte, value: signed32, at: number64 }),
  fc.record({ op: fc.constant('done' as const), request: number32, errno: signed32 }),
);

describe('the frame decoder', () => {
  it('gives the same messages however the stream is cut', () => {
    fc.assert(
      fc.property(
        fc.array(message, { maxLength: 8 }),
        fc.infiniteStream(fc.integer({ min: 1, max: 60 })),
        (messages, sizes) => {
          const bytes = Buffer.concat(messages.map(encode));
          const decoder = new FrameDecoder();
          const decoded: ShimMessage[] = [];
          for (let start = 0; start < bytes.length; ) {
            const end = start + (sizes.next().value ?? 1);
            decoded.push(...decoder.push(bytes.subarray(start, end)));
            start = end;
          }
          expect(decoded).toEqual(messages);
        },
      ),
    );
  });

  it('answers bytes that are no frame with SHIM_LOST and nothing else', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        try {
          new FrameDecoder().push(bytes);
        } catch (error) {
          expect(isGantryError(error, 'SHIM_LOST')).toBe(true);
        }
      }),
    );
  });

  it('never waits for a frame that is too long, empty, unknown, cut short or overlong', () => {
    const frame = (...parts: Buffer[]) => Buffer.concat([u32(Buffer.concat(parts).length), ...parts]);
    const broken = [u32(maxFrame + 1), u32(0), frame(u8(1)), frame(u8(67), u32(1)), frame(u8(67), u64(1), u8(0))];
    for (const bytes of broken) {
      expect(() => new FrameDecoder().push(bytes)).toThrow(expect.objectContaining({ code: 'SHIM_LOST' }));
    }
  });
});
