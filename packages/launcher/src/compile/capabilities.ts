import type { OciCapabilities } from '@gantry/interface';
import type { CapabilitiesStep } from '../protocol.generated.js';
import { invalid, unsupported } from './refusal.js';

/** The names of linux/capability.h; the index is the bit. */
const names = [
  'CAP_CHOWN',
  'CAP_DAC_OVERRIDE',
  'CAP_DAC_READ_SEARCH',
  'CAP_FOWNER',
  'CAP_FSETID',
  'CAP_KILL',
  'CAP_SETGID',
  'CAP_SETUID',
  'CAP_SETPCAP',
  'CAP_LINUX_IMMUTABLE',
  'CAP_NET_BIND_SERVICE',
  'CAP_NET_BROADCAST',
  'CAP_NET_ADMIN',
  'CAP_NET_RAW',
  'CAP_IPC_LOCK',
  'CAP_IPC_OWNER',
  'CAP_SYS_MODULE',
  'CAP_SYS_RAWIO',
  'CAP_SYS_CHROOT',
  'CAP_SYS_PTRACE',
  'CAP_SYS_PACCT',
  'CAP_SYS_ADMIN',
  'CAP_SYS_BOOT',
  'CAP_SYS_NICE',
  'CAP_SYS_RESOURCE',
  'CAP_SYS_TIME',
  'CAP_SYS_TTY_CONFIG',
  'CAP_MKNOD',
  'CAP_LEASE',
  'CAP_AUDIT_WRITE',
  'CAP_AUDIT_CONTROL',
  'CAP_SETFCAP',
  'CAP_MAC_OVERRIDE',
  'CAP_MAC_ADMIN',
  'CAP_SYSLOG',
  'CAP_WAKE_ALARM',
  'CAP_BLOCK_SUSPEND',
  'CAP_AUDIT_READ',
  'CAP_PERFMON',
  'CAP_BPF',
  'CAP_CHECKPOINT_RESTORE',
] as const;

/** Masks are numbers, not bigints: 41 bits are exact in a double as long as they are added and never shifted. */
const bits: ReadonlyMap<string, number> = new Map(names.map((name, bit) => [name, 2 ** bit]));

type SetName = keyof OciCapabilities;

/** Sets as bit masks. No sets mean no capabilities at all. */
export function compileCapabilities(sets: OciCapabilities | undefined): CapabilitiesStep {
  if (sets) {
    requireSubset(sets, 'effective', 'permitted');
    requireSubset(sets, 'ambient', 'permitted');
    requireSubset(sets, 'ambient', 'inheritable');
  }
  const mask = (set: SetName) => capabilityMask(sets?.[set] ?? [], `process.capabilities.${set}`);
  return {
    op: 'capabilities',
    bounding: mask('bounding'),
    effective: mask('effective'),
    permitted: mask('permitted'),
    inheritable: mask('inheritable'),
    ambient: mask('ambient'),
  };
}

function capabilityMask(set: readonly string[], field: string): number {
  let mask = 0;
  for (const name of new Set(set)) {
    const bit = bits.get(name);
    if (bit === undefined) throw unsupported(field, `there is no capability ${JSON.stringify(name)}`);
    mask += bit;
  }
  return mask;
}

/** What capset(2) and prctl(2) refuse with a bare EPERM is said here by name. */
function requireSubset(sets: OciCapabilities, inner: SetName, outer: SetName): void {
  const allowed = sets[outer] ?? [];
  const extra = sets[inner]?.find((name) => !allowed.includes(name));
  if (extra !== undefined) throw invalid(`process.capabilities.${inner}`, `${extra} is not in the ${outer} set`);
}
