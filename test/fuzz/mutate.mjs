/** @import { Random } from './random.mjs' */

const block = 512;
const numbers = [0, 1, 0x7f, 0x80, 0xff, 0x100, 0x7fff, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff];
const words = [
  '../',
  '/',
  '..',
  '.wh.',
  '.wh..wh..opq',
  '\0',
  '=',
  '99999999999',
  '-1',
  'size=',
  'path=',
  '"',
  '{',
  '[',
  '\\u0000',
  '1e999',
];

/** Ways to change bytes: each gives new ones. @type {readonly ((bytes: Buffer, random: Random, other: Buffer) => Buffer)[]} */
const ways = [
  (bytes, random) =>
    changed(bytes, random, (at, copy) => copy.writeUInt8((copy[at] ?? 0) ^ (1 << random.below(8)), at)),
  (bytes, random) => changed(bytes, random, (at, copy) => copy.writeUInt8(random.below(256), at)),
  (bytes, random) =>
    changed(bytes, random, (at, copy) =>
      copy.writeUInt32LE(random.pick(numbers), Math.max(0, Math.min(at, copy.length - 4))),
    ),
  (bytes, random) => changed(bytes, random, (at, copy) => copy.write(random.pick(words), at, 'latin1')),
  (bytes, random) => bytes.subarray(0, random.below(bytes.length + 1)),
  (bytes, random) => splice(bytes, random.below(bytes.length + 1), 0, random.bytes(random.below(20))),
  (bytes, random) => splice(bytes, random.below(bytes.length + 1), random.below(40), Buffer.alloc(0)),
  (bytes, random) => splice(bytes, random.below(bytes.length + 1), 0, Buffer.from(random.pick(words), 'latin1')),
  (bytes, random, other) => {
    const [from, to] = [random.below(other.length + 1), random.below(other.length + 1)];
    return splice(bytes, random.below(bytes.length + 1), 0, other.subarray(Math.min(from, to), Math.max(from, to)));
  },
  // Whole blocks of an archive: doubled, moved, left out, or put in from another.
  (bytes, random) => splice(bytes, blockIn(bytes, random), block, Buffer.alloc(0)),
  (bytes, random) => {
    const at = blockIn(bytes, random);
    return splice(bytes, blockIn(bytes, random), 0, bytes.subarray(at, at + block * (1 + random.below(4))));
  },
  (bytes, random, other) => {
    const at = blockIn(other, random);
    return splice(bytes, blockIn(bytes, random), 0, other.subarray(at, at + block * (1 + random.below(4))));
  },
];

/**
 * Changes bytes in one to five ways. `other` is what parts may be taken from.
 *
 * @param {Buffer} bytes
 * @param {Random} random
 * @param {Buffer} other
 */
export function mutate(bytes, random, other) {
  let mutated = bytes;
  for (let i = random.below(5); i >= 0; i--) mutated = random.pick(ways)(mutated, random, other);
  return Buffer.from(mutated);
}

/** Values that a reader of documents may not reckon with. @type {readonly unknown[]} */
const oddValues = [
  null,
  true,
  0,
  -1,
  1.5,
  2 ** 53,
  1e300,
  '',
  'x',
  '\0',
  '../..',
  'a'.repeat(5000),
  '\ud800',
  [],
  {},
  [[]],
  [null],
  { a: 1 },
];
const oddKeys = [
  '__proto__',
  'constructor',
  'toString',
  '',
  'Config',
  'mediatype',
  'layers',
  'a'.repeat(300),
  '\u0000',
];

/**
 * Changes what a document says, and leaves it one: a value becomes an odd one or another's, a member is left out, added or doubled.
 *
 * @param {Buffer} bytes
 * @param {Random} random
 */
export function mutateDocument(bytes, random) {
  const root = { document: JSON.parse(bytes.toString()) };
  for (let i = random.below(3); i >= 0; i--) changeMember(root, random);
  const text = JSON.stringify(root.document) ?? '';
  // The same key a second time is what no object can hold.
  return Buffer.from(random.below(8) === 0 ? text.replace(/"(\w+)":/, '"$1":null,"$1":') : text);
}

/**
 * @param {Record<string, unknown> | unknown[]} root
 * @param {Random} random
 */
function changeMember(root, random) {
  /** @type {[Record<string, unknown>, string][]} */
  const members = [];
  const visit = (/** @type {unknown} */ value) => {
    if (typeof value !== 'object' || value === null) return;
    for (const [key, member] of Object.entries(value)) {
      members.push([/** @type {Record<string, unknown>} */ (value), key]);
      visit(member);
    }
  };
  visit(root);
  const [holder, key] = random.pick(members);
  const [otherHolder, otherKey] = random.pick(members);
  switch (random.below(5)) {
    case 0:
      holder[key] = structuredClone(otherHolder[otherKey]);
      break;
    case 1:
      if (holder !== root) delete holder[key];
      break;
    case 2:
      Object.defineProperty(holder, random.pick(oddKeys), {
        value: random.pick(oddValues),
        enumerable: true,
        configurable: true,
        writable: true,
      });
      break;
    default:
      holder[key] = structuredClone(random.pick(oddValues));
  }
}

/** Makes the checksums of a tar archive's headers right again, so that what is behind them is reached. @param {Buffer} bytes */
export function withChecksums(bytes) {
  const fixed = Buffer.from(bytes);
  for (let at = 0; at + block <= fixed.length; at += block) {
    if (fixed.toString('latin1', at + 257, at + 262) !== 'ustar') continue;
    fixed.fill(' ', at + 148, at + 156);
    let sum = 0;
    for (let i = at; i < at + block; i++) sum += fixed[i] ?? 0;
    fixed.write(`${sum.toString(8).padStart(6, '0')}\0 `, at + 148, 'latin1');
  }
  return fixed;
}

/**
 * @param {Buffer} bytes
 * @param {Random} random
 * @param {(at: number, copy: Buffer) => void} change
 */
function changed(bytes, random, change) {
  const copy = Buffer.from(bytes);
  if (copy.length >= 4) change(random.below(copy.length), copy);
  return copy;
}

/**
 * @param {Buffer} bytes
 * @param {number} at
 * @param {number} removed
 * @param {Buffer} inserted
 */
function splice(bytes, at, removed, inserted) {
  return Buffer.concat([bytes.subarray(0, at), inserted, bytes.subarray(at + removed)]);
}

/**
 * @param {Buffer} bytes
 * @param {Random} random
 */
function blockIn(bytes, random) {
  return random.below(Math.ceil(bytes.length / block) + 1) * block;
}
