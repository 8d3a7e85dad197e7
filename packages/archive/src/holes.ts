import type { Segment } from './sparse.js';
import { blockSize } from './tar-header.js';

/** Below it a file is stored whole: layer.md advises against sparse entries, so they are for files that would be large without. */
const worthwhile = 2 ** 20;

/** So many stretches fit well into what readers take for a sparse map. */
const maxSegments = 16_384;

/**
 * The stretches of a file that have to be stored, or undefined for one whose holes are not worth it. `nextData` tells the first
 * stretch of data at or behind an offset. Where there are very many, the smallest holes between them are stored as zeros.
 */
export function storedSegments(
  size: number,
  nextData: (offset: number) => Segment | undefined,
): readonly Segment[] | undefined {
  let segments: Segment[] = [];
  let smallestHole = blockSize;
  for (let at = 0; at < size; ) {
    const found = nextData(at);
    if (!found || found.offset >= size) break;
    // Stretches of archives are whole blocks.
    const offset = Math.max(at, found.offset - (found.offset % blockSize));
    const end = Math.min(size, Math.ceil((found.offset + found.length) / blockSize) * blockSize);
    segments.push({ offset, length: end - offset });
    at = end;
    for (; segments.length > maxSegments; smallestHole *= 2) segments = joined(segments, smallestHole);
  }
  const stored = segments.reduce((sum, { length }) => sum + length, 0);
  if (size - stored < worthwhile) return undefined;
  // Readers learn from the last stretch, though it is empty, where the file ends.
  return [...segments, { offset: size, length: 0 }];
}

/** Joins stretches with less than so many bytes between them. */
function joined(segments: readonly Segment[], smallestHole: number): Segment[] {
  const kept: Segment[] = [];
  for (const segment of segments) {
    const last = kept.at(-1);
    if (last && segment.offset - (last.offset + last.length) < smallestHole) {
      kept[kept.length - 1] = { offset: last.offset, length: segment.offset + segment.length - last.offset };
    } else {
      kept.push(segment);
    }
  }
  return kept;
}
