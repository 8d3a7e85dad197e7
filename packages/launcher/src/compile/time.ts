import type { OciLinux } from '@gantry/interface';
import type { TimeNamespaceStep } from '../protocol.generated.js';
import type { CompiledNamespaces } from './namespaces.js';
import { integer, invalid } from './refusal.js';

const clocks = ['monotonic', 'boottime'] as const;

/** The time namespace, if the container has one. OCI runtime-spec, config-linux.md#time-namespace. */
export function compileTime(offsets: OciLinux['timeOffsets'], { types }: CompiledNamespaces): TimeNamespaceStep[] {
  if (!types.has('time')) {
    if (offsets === undefined) return [];
    throw invalid('linux.timeOffsets', 'there is no time namespace that these would be for');
  }
  const lines = clocks.flatMap((clock) => {
    const offset = offsets?.[clock];
    if (!offset) return [];
    const field = `linux.timeOffsets.${clock}`;
    const seconds = integer(offset.secs, Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER, `${field}.secs`);
    return [`${clock} ${seconds} ${integer(offset.nanosecs, 0, 999_999_999, `${field}.nanosecs`)}\n`];
  });
  return [{ op: 'timeNamespace', offsets: lines.join('') }];
}
