import { readFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { errnoOf, type IdMapping } from '@gantry/interface';

/** A line of /etc/subuid or /etc/subgid: ids of the host that somebody may use in user namespaces. */
export interface SubordinateRange {
  readonly start: number;
  readonly size: number;
}

const maxId = 0xfffffffe;

/** The ranges of an owner, by name or by number, in a file of subuid(5). Malformed lines are passed over, as newuidmap does. */
export function parseSubordinateRanges(text: string, owners: ReadonlySet<string>): SubordinateRange[] {
  const ranges: SubordinateRange[] = [];
  for (const line of text.split('\n')) {
    const match = /^([^:]+):(\d{1,10}):(\d{1,10})$/.exec(line.trim());
    if (!match || !owners.has(match[1] ?? '')) continue;
    const [start, size] = [Number(match[2]), Number(match[3])];
    if (size > 0 && start + size - 1 <= maxId) ranges.push({ start, size });
  }
  return ranges;
}

/** The ranges of a file; none if it is not there. */
export function readSubordinateRanges(path: string, owners: ReadonlySet<string>): SubordinateRange[] {
  try {
    return parseSubordinateRanges(readFileSync(path, 'utf8'), owners);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return [];
    throw error;
  }
}

/**
 * The ranges without what is in one before, or is the id `own`: the kernel takes no map that has an id of the host twice, and a user may
 * well have the same range by name and by number.
 */
export function withoutOverlaps(ranges: readonly SubordinateRange[], own: number): SubordinateRange[] {
  const kept: SubordinateRange[] = [];
  for (const range of ranges) {
    let pieces = [range];
    for (const taken of [{ start: own, size: 1 }, ...kept]) pieces = pieces.flatMap((piece) => without(piece, taken));
    kept.push(...pieces);
  }
  return kept;
}

function without(range: SubordinateRange, taken: SubordinateRange): SubordinateRange[] {
  const [end, takenEnd] = [range.start + range.size, taken.start + taken.size];
  if (takenEnd <= range.start || taken.start >= end) return [range];
  return [
    { start: range.start, size: taken.start - range.start },
    { start: takenEnd, size: end - takenEnd },
  ].filter(({ size }) => size > 0);
}

/** The names under which this program's user may have ranges. A user whom no passwd knows has his number alone. */
export function ownNames(): ReadonlySet<string> {
  const uid = String(process.geteuid?.() ?? -1);
  try {
    return new Set([uid, userInfo().username]);
  } catch {
    return new Set([uid]);
  }
}

/** Ranges one after the other from the id `inside` on. */
export function mapRanges(ranges: readonly SubordinateRange[], inside: number): IdMapping[] {
  let next = inside;
  return ranges.map(({ start, size }) => {
    const mapping = { inside: next, outside: start, size };
    next += size;
    return mapping;
  });
}
