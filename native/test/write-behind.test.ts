import { randomBytes } from 'node:crypto';
import {
  closeSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { addon } from '../src/addon.js';
import type { BlobReader } from '../src/blob.js';
import type { RootDirectory } from '../src/filesystem.js';

const plain = { mode: 0o644, uid: 0, gid: 0, mtimeSeconds: 1_000_000_000, mtimeNanoseconds: 5, xattrs: [] };
const badTime = { ...plain, mtimeNanoseconds: 2_000_000_000 };
const bodySize = 1000;

const descriptors = () => readdirSync('/proc/self/fd').length;

describe.skipIf(process.geteuid?.() !== 0)(
  'RootDirectory.writeBehind (needs root: owners)',
  { timeout: 60_000 },
  () => {
    let folder: string;
    let root: RootDirectory;
    let reader: BlobReader;
    const bytes = randomBytes(8 * 2 ** 20);
    const path = (name: string | number) => join(folder, 'root', String(name));

    beforeEach(() => {
      folder = mkdtempSync(join(tmpdir(), 'gantry-write-behind-'));
      mkdirSync(path('.'));
      writeFileSync(join(folder, 'blob'), bytes);
      const fd = openSync(join(folder, 'blob'), 'r');
      reader = new (addon().BlobReader)(fd, 'none', 'sha256');
      closeSync(fd);
      reader.allow(bytes.length, true);
      root = new (addon().RootDirectory)(path('.'));
      root.writeBehind(reader);
    });
    afterEach(() => {
      reader.close();
      root.close();
      rmSync(folder, { recursive: true });
    });

    /** The next piece, or undefined at the end. */
    function nextPiece(): Uint8Array | undefined {
      for (;;) {
        const piece = reader.next();
        if (piece === 'end') return undefined;
        if (typeof piece !== 'string') return piece;
      }
    }

    /** Calls back with each thousand bytes of a piece, what is left over apart, numbered. */
    function eachBody(make: (number: number, body: Uint8Array, at: number) => void): number {
      let count = 0;
      let done = 0;
      for (let piece = nextPiece(); piece; piece = nextPiece()) {
        for (let at = 0; at < piece.length; at += bodySize) {
          make(count++, piece.subarray(at, at + bodySize), done + at);
        }
        done += piece.length;
      }
      expect(done).toBe(bytes.length);
      return count;
    }

    it('has finished all files at the end, with what was in memory when each was made', () => {
      const before = descriptors();
      const made: { readonly size: number; readonly at: number }[] = [];
      const count = eachBody((number, body, at) => {
        root.file(Buffer.from(String(number)), body, {
          ...plain,
          mode: number % 2 === 0 ? 0o644 : 0o4750,
          uid: number,
        });
        made.push({ size: body.length, at });
      });
      expect(descriptors()).toBe(before);
      expect(count).toBeGreaterThan(5000);
      for (const [number, { size, at }] of made.entries()) {
        const status = lstatSync(path(number), { bigint: true });
        expect(status.mode & 0o7777n).toBe(number % 2 === 0 ? 0o644n : 0o4750n);
        expect(status.uid).toBe(BigInt(number));
        expect(status.mtimeNs).toBe(1_000_000_000_000_000_005n);
        expect(readFileSync(path(number)).equals(bytes.subarray(at, at + size))).toBe(true);
      }
    });

    it('does not use the memory of a piece again while a file waits for it', () => {
      const piece = nextPiece() ?? Buffer.alloc(0);
      const pause = new Int32Array(new SharedArrayBuffer(4));
      const settled = (positions: number[]) => positions.length > 50 && positions.at(-1) === positions.at(-50);
      for (const positions: number[] = []; !settled(positions); Atomics.wait(pause, 0, 0, 1)) {
        positions.push(reader.position());
      }
      // The reader is as far ahead as it gets, and asleep: these are too few for it to be woken.
      const bodies = Array.from({ length: 7 }, (_, i) => piece.subarray(i * bodySize, (i + 1) * bodySize));
      for (const [i, body] of bodies.entries()) root.file(Buffer.from(String(i)), body, plain);
      // It would go on at once if this gave it the piece.
      nextPiece();
      Atomics.wait(pause, 0, 0, 50);
      while (nextPiece());
      for (const i of bodies.keys()) {
        expect(readFileSync(path(i)).equals(bytes.subarray(i * bodySize, (i + 1) * bodySize))).toBe(true);
      }
    });

    it('never writes to what has taken the name of a file meanwhile', () => {
      writeFileSync(join(folder, 'victim'), 'untouched');
      let last = Buffer.alloc(0);
      eachBody((number, body) => {
        const name = Buffer.from(String(number % 10));
        root.file(name, body, plain);
        last = Buffer.from(body);
        if (number % 10 !== 9) root.symlink(name, Buffer.from('../victim'), plain);
      });
      expect(readFileSync(join(folder, 'victim'), 'utf8')).toBe('untouched');
      expect(lstatSync(path(0)).isSymbolicLink()).toBe(true);
      expect(lstatSync(path(9)).size).toBeGreaterThan(0);
      expect(last.length).toBeGreaterThan(0);
    });

    it('throws what went wrong from next, with the path of the file', () => {
      const name = Buffer.from([0x62, 0xff, 0x64]);
      const failing = () => {
        eachBody((number, body) =>
          root.file(number === 5 ? name : Buffer.from(String(number)), body, number === 5 ? badTime : plain),
        );
      };
      expect(failing).toThrow(expect.objectContaining({ code: 'EINVAL', syscall: 'futimens', entry: name }));
      expect(() => reader.next()).toThrow(expect.objectContaining({ code: 'EINVAL', entry: name }));
    });

    it('fails at the end too, if it is the last file of all', () => {
      let last = -1;
      let wasThrown = false;
      try {
        eachBody((number, body, at) => {
          last = number;
          root.file(Buffer.from(String(number)), body, at + body.length === bytes.length ? badTime : plain);
        });
      } catch (error) {
        wasThrown = true;
        // Or at once, if too many wait.
        expect(error).toMatchObject({ code: 'EINVAL', path: String(last) });
      }
      expect(wasThrown).toBe(true);
    });

    it('leaves alone bodies that are elsewhere, files with attributes, and readers that are closed', () => {
      const elsewhere = Buffer.from('elsewhere');
      const piece = nextPiece();
      expect(() => root.file(Buffer.from('a'), elsewhere, badTime)).toThrow(
        expect.objectContaining({ code: 'EINVAL' }),
      );
      const xattrs = [{ name: Buffer.from('trusted.x'), value: elsewhere }];
      const body = (piece ?? elsewhere).subarray(0, 10);
      expect(() => root.file(Buffer.from('b'), body, { ...badTime, xattrs })).toThrow(
        expect.objectContaining({ code: 'EINVAL' }),
      );
      reader.close();
      root.file(Buffer.from('c'), body, plain);
      expect(readFileSync(path('c')).equals(bytes.subarray(0, 10))).toBe(true);
    });

    it('closes what is not finished when the reader closes', () => {
      const before = descriptors();
      const piece = nextPiece() ?? Buffer.alloc(0);
      for (let i = 0; i < 200; i++) root.file(Buffer.from(String(i)), piece.subarray(i, i + bodySize), plain);
      reader.close();
      expect(descriptors()).toBe(before);
    });

    it('takes a reader and nothing else', () => {
      expect(() => root.writeBehind({} as BlobReader)).toThrow(TypeError);
      expect(() => root.writeBehind(root as unknown as BlobReader)).toThrow(TypeError);
      expect(() => root.writeBehind(undefined as unknown as BlobReader)).toThrow(TypeError);
    });
  },
);
