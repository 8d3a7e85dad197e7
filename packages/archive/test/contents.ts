/** What the samples of compressed streams stand for, and what else is compressed in tests. */

/** Text that repeats itself as text does. */
export function prose(size: number): Buffer {
  const words = ['layer', 'whiteout', 'opaque', 'digest', 'manifest', 'blob', 'tar', 'entry', 'of', 'the', 'a', 'and'];
  let seed = 1;
  let text = '';
  while (text.length < size) {
    seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
    text += `${words[(seed >>> 16) % words.length]}${(seed >>> 8) % 97} `;
  }
  return Buffer.from(text.slice(0, size), 'latin1');
}

/** Bytes that do not repeat themselves. */
export function noise(size: number): Buffer {
  return Buffer.from(Array.from({ length: size }, (_, i) => Math.imul(i + 1, 2654435761) >>> 24));
}

/** Noise, and then pieces from one of three distances back by turns: what makes encoders say "as far back as the last time but one". */
export function echoes(count: number): Buffer {
  const bytes = Buffer.concat([noise(2000), Buffer.alloc(count * 10)]);
  let seed = 7;
  for (let at = 2000; at < bytes.length; at += 10) {
    seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
    const distance = [510, 900, 1310][(seed >>> 16) % 3] ?? 0;
    bytes.copy(bytes, at, at - distance, at - distance + 9);
    bytes.writeUInt8(seed >>> 24, at + 9);
  }
  return bytes;
}

/** By name: content that makes encoders choose in different ways. */
export const contents: ReadonlyMap<string, Buffer> = new Map([
  ['empty', Buffer.alloc(0)],
  ['short', Buffer.from('hello')],
  ['zeros', Buffer.alloc(300_000)],
  ['prose', prose(6000)],
  ['echoes', echoes(300)],
  ['blocks', Buffer.concat([prose(2500), Buffer.alloc(140_000, 'ab'), prose(2500), noise(1200)])],
]);
