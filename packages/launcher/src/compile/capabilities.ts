import { capabilityNames, type OciCapabilities } from '@gantry/interface';
import type { CapabilitiesStep } from '../protocol.generated.js';
import { invalid, unsupported } from './refusal.js';

/** Masks are numbers, not bigints: 41 bits are exact in a double as long as they are added and never shifted. */
const bits: ReadonlyMap<string, number> = new Map(capabilityNames.map((name, bit) => [name, 2 ** bit]));

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
