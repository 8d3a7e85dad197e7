import type { JsonFields } from '../json/json-fields.js';
import { quote } from '../quote.js';

/** A whole number over a power of ten. */
interface Fraction {
  readonly numerator: bigint;
  readonly denominator: bigint;
}

const grammar = /^(\d{1,19})(?:\.(\d{1,9}))?(m|[kKMGTPE]|[KMGTPE]i)?$/;
const powers = new Map([
  ['k', 1n],
  ['K', 1n],
  ['M', 2n],
  ['G', 3n],
  ['T', 4n],
  ['P', 5n],
  ['E', 6n],
]);

/** Reads an amount of whole units, such as bytes, rounded up. appc 0.8, ace.md#resource-isolators. */
export function readWholeQuantity<Name extends string>(fields: JsonFields<Name>, name: Name): number | undefined {
  const fraction = readFraction(fields, name);
  if (fraction === undefined) return undefined;
  const { numerator, denominator } = fraction;
  const whole = Number((numerator + denominator - 1n) / denominator);
  if (!Number.isSafeInteger(whole)) throw fields.invalid(name, 'more than can be counted exactly');
  return whole;
}

/** Reads an amount that may be a fraction, such as CPUs. A thousandth is the least. */
export function readMilliQuantity<Name extends string>(fields: JsonFields<Name>, name: Name): number | undefined {
  const fraction = readFraction(fields, name);
  if (fraction === undefined) return undefined;
  const { numerator, denominator } = fraction;
  const thousandths = Number((numerator * 1000n + denominator - 1n) / denominator);
  if (!Number.isSafeInteger(thousandths)) throw fields.invalid(name, 'more than can be counted exactly');
  return thousandths / 1000;
}

function readFraction<Name extends string>(fields: JsonFields<Name>, name: Name): Fraction | undefined {
  const value = fields.value(name);
  if (value === undefined) return undefined;
  const text = typeof value === 'number' ? String(value) : value;
  const [, whole, decimals = '', suffix = ''] = typeof text === 'string' ? (grammar.exec(text) ?? []) : [];
  if (whole === undefined) {
    throw fields.invalid(
      name,
      `${quote(text)} is no amount: want a number with m, K, M, G, T, P, E, Ki, Mi, Gi, Ti, Pi, Ei or nothing after it`,
    );
  }
  const base = suffix.endsWith('i') ? 1024n : 1000n;
  const scale = base ** (powers.get(suffix.charAt(0)) ?? 0n);
  return {
    numerator: BigInt(whole + decimals) * scale,
    denominator: 10n ** BigInt(decimals.length) * (suffix === 'm' ? 1000n : 1n),
  };
}
