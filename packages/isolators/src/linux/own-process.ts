import { readFileSync } from 'node:fs';
import { capabilityNames, toGantryError } from '@gantry/interface';

/** A soft and a hard limit; Infinity for `unlimited`. */
export interface OwnLimit {
  readonly soft: number;
  readonly hard: number;
}

let held: { readonly ids: string; readonly capabilities: ReadonlySet<string> } | undefined;

/**
 * The capabilities that this process may hand on: in its permitted and its bounding set. Read again when its user changes, with
 * which they change: Node.js has no other call that does that, and every launch asks.
 */
export function ownCapabilities(): ReadonlySet<string> {
  const ids = `${process.getuid?.()} ${process.geteuid?.()}`;
  if (held?.ids !== ids) held = { ids, capabilities: parseCapabilities(readOwn('status')) };
  return held.capabilities;
}

/** This process's own oom_score_adj. */
export function ownOomScoreAdj(): number {
  return Number(readOwn('oom_score_adj'));
}

/** This process's own resource limits, by the first words of their lines in /proc/self/limits: `Max open files`. */
export function ownLimits(): ReadonlyMap<string, OwnLimit> {
  return parseLimits(readOwn('limits'));
}

/** The capabilities in both CapPrm and CapBnd of a /proc/PID/status. */
export function parseCapabilities(status: string): ReadonlySet<string> {
  const mask = (field: string) => BigInt(`0x${new RegExp(`^${field}:\\s*([0-9a-f]+)$`, 'm').exec(status)?.[1] ?? '0'}`);
  const both = mask('CapPrm') & mask('CapBnd');
  return new Set(capabilityNames.filter((_, bit) => ((both >> BigInt(bit)) & 1n) === 1n));
}

/** The limits in a /proc/PID/limits. */
export function parseLimits(limits: string): ReadonlyMap<string, OwnLimit> {
  const value = (text: string) => (text === 'unlimited' ? Number.POSITIVE_INFINITY : Number(text));
  const parsed = new Map<string, OwnLimit>();
  for (const line of limits.split('\n')) {
    const match = /^(Max .*?) {2,}(\d+|unlimited) +(\d+|unlimited)/.exec(line);
    if (match) parsed.set(match[1] ?? '', { soft: value(match[2] ?? ''), hard: value(match[3] ?? '') });
  }
  return parsed;
}

/** Synchronous: procfs answers from memory, without the two thread hops of an asynchronous read. */
function readOwn(file: string): string {
  const path = `/proc/self/${file}`;
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw toGantryError(error, `reading ${path}`);
  }
}
