import { invalidField } from '../errors.js';

/** More than any Linux has. */
const largest = 65_535;

/** The numbers of a list as `0-3,7`. `INVALID_ARGUMENT`, naming the field, for anything else. */
export function parseCpuList(text: string, field: string): ReadonlySet<number> {
  const numbers = new Set<number>();
  for (const part of text.trim().split(',')) {
    const [, first, last = first] = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(part) ?? [];
    const [from, to] = [Number(first), Number(last)];
    if (first === undefined || to < from || to > largest) {
      throw invalidField(field, `must be a list of numbers and ranges as '0-3,7', not '${text}'`);
    }
    for (let number = from; number <= to; number++) numbers.add(number);
  }
  return numbers;
}

/** As the kernel writes it: in order, with every run of numbers as a range. */
export function formatCpuList(numbers: ReadonlySet<number>): string {
  const parts: string[] = [];
  const sorted = [...numbers].sort((a, b) => a - b);
  for (let start = 0, end = 0; start < sorted.length; start = end + 1) {
    for (end = start; sorted[end + 1] === (sorted[end] ?? 0) + 1; ) end++;
    parts.push(start === end ? String(sorted[start]) : `${sorted[start]}-${sorted[end]}`);
  }
  return parts.join(',');
}
