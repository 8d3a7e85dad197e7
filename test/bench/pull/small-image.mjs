import { createHash } from 'node:crypto';
import { buildImage } from '@gantry/testkit';

const folders = 10;
const filesPerFolder = 20;

/**
 * An image of two layers and 400 files, about 3 MiB compressed, that shares nothing with those of other numbers.
 * @param {number} number
 */
export function smallImage(number) {
  const layer = (/** @type {string} */ name) =>
    Array.from({ length: folders }, (_, folder) => [
      { type: /** @type {const} */ ('directory'), path: `${name}${folder}` },
      ...Array.from({ length: filesPerFolder }, (_, file) => {
        const path = `${name}${folder}/${file}`;
        return { type: /** @type {const} */ ('file'), path, content: text(`${number}/${path}`) };
      }),
    ]).flat();
  return buildImage({ layers: [layer('a'), layer('b')], format: 'docker' });
}

/**
 * 1 to 20 KiB that gzip makes somewhat smaller, as it does with programs.
 * @param {string} seed
 */
function text(seed) {
  const first = createHash('sha512').update(seed).digest();
  const blocks = 8 + (first.readUInt8(0) % 152);
  return Array.from({ length: blocks }, (_, block) =>
    createHash('sha512').update(first).update(`${block}`).digest('hex'),
  ).join('\n');
}
