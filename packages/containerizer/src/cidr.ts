import { isIP } from 'node:net';

/** Whether a text is an address, or a prefix of addresses without bits behind it: `10.0.0.0/8`. */
export function isCidr(text: string): boolean {
  const [address = '', length, ...rest] = text.split('/');
  const version = isIP(address);
  if (version === 0 || address.includes('%') || rest.length > 0) return false;
  if (length === undefined) return true;
  const bits = version === 4 ? 32 : 128;
  if (!/^\d{1,3}$/.test(length) || Number(length) > bits) return false;
  const host = BigInt(bits - Number(length));
  return (numberOf(address, version) & ((1n << host) - 1n)) === 0n;
}

function numberOf(address: string, version: number): bigint {
  if (version === 4) return joined(address.split('.').map(Number), 8n);
  // The last 32 bits may be written as an IPv4 address.
  const text = address.replace(/[\d.]+$/, (tail) => {
    if (!tail.includes('.')) return tail;
    const value = joined(tail.split('.').map(Number), 8n);
    return `${(value >> 16n).toString(16)}:${(value & 0xffffn).toString(16)}`;
  });
  const [before = '', after] = text.split('::');
  const head = groups(before);
  const tail = groups(after ?? '');
  return joined([...head, ...Array<number>(8 - head.length - tail.length).fill(0), ...tail], 16n);
}

function groups(text: string): number[] {
  return text === '' ? [] : text.split(':').map((group) => Number.parseInt(group, 16));
}

function joined(parts: readonly number[], bits: bigint): bigint {
  return parts.reduce((value, part) => (value << bits) | BigInt(part), 0n);
}
