import { InvalidArgumentError } from 'commander';

const units: Readonly<Record<string, number>> = { '': 1, b: 1, k: 2 ** 10, m: 2 ** 20, g: 2 ** 30, t: 2 ** 40 };

/** Bytes of `134217728`, `128m`, `128MiB` or `1.5g`; units are powers of 1024. */
export function parseSize(text: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*([bkmgt]?)(?:i?b)?$/i.exec(text);
  const bytes = Math.round(Number(match?.[1]) * (units[match?.[2]?.toLowerCase() ?? ''] ?? Number.NaN));
  if (!match || !Number.isSafeInteger(bytes) || bytes <= 0) {
    throw new InvalidArgumentError('give a size as 134217728, 128m or 1.5g.');
  }
  return bytes;
}

/** A number above 0. */
export function parsePositive(text: string): number {
  const number = Number(text);
  if (!Number.isFinite(number) || number <= 0) throw new InvalidArgumentError('give a number above 0.');
  return number;
}

/** A whole number, 0 included. */
export function parseCount(text: string): number {
  if (!/^\d{1,15}$/.test(text)) throw new InvalidArgumentError('give a whole number.');
  return Number(text);
}
