import type { OciRlimit } from '@gantry/interface';
import { maxU64, type RlimitStep } from '../protocol.generated.js';
import { invalid, unsupported } from './refusal.js';

/** `RLIMIT_*` of asm-generic/resource.h; the index is the number. */
const types: readonly string[] = [
  'RLIMIT_CPU',
  'RLIMIT_FSIZE',
  'RLIMIT_DATA',
  'RLIMIT_STACK',
  'RLIMIT_CORE',
  'RLIMIT_RSS',
  'RLIMIT_NPROC',
  'RLIMIT_NOFILE',
  'RLIMIT_MEMLOCK',
  'RLIMIT_AS',
  'RLIMIT_LOCKS',
  'RLIMIT_SIGPENDING',
  'RLIMIT_MSGQUEUE',
  'RLIMIT_NICE',
  'RLIMIT_RTPRIO',
  'RLIMIT_RTTIME',
];

/** Limits of types in `clamped` are lowered to what the host allows rather than refused. */
export function compileRlimits(limits: readonly OciRlimit[], clamped: readonly string[]): readonly RlimitStep[] {
  const seen = new Set<string>();
  return limits.map(({ type, soft, hard }, index) => {
    const field = `process.rlimits[${index}]`;
    const resource = types.indexOf(type);
    if (resource === -1) throw unsupported(`${field}.type`, `there is no resource limit ${JSON.stringify(type)}`);
    if (seen.has(type)) throw invalid(`${field}.type`, `a second limit of type ${type}`);
    seen.add(type);
    if (soft > hard) throw invalid(`${field}.soft`, `${soft} is above the hard limit ${hard}`);
    return {
      op: 'rlimit',
      resource,
      soft: amount(soft, `${field}.soft`),
      hard: amount(hard, `${field}.hard`),
      clamp: clamped.includes(type) ? 1 : 0,
    };
  });
}

/** 2^64, which JSON.parse makes of 2^64 - 1, and Infinity stand for RLIM_INFINITY. */
function amount(value: number, field: string): number {
  if (value >= maxU64) return maxU64;
  if (!Number.isSafeInteger(value) || value < 0) throw invalid(field, `${value} is not a whole number of at most 2^53`);
  return value;
}
