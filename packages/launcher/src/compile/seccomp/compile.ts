import type { OciSeccomp } from '@gantry/interface';
import { unsupported } from '../refusal.js';
import { architecturesOf, isSystemCall, type Machine } from './architectures.js';
import { assemble } from './assemble.js';
import { compileFlags } from './flags.js';
import { checkListener } from './listener.js';
import { maxInstructions, NodeFactory } from './nodes.js';
import { mayNotify, type Rules, readRules } from './rules.js';
import { compileFilter } from './search.js';

/** A profile as the kernel takes it. */
export interface SeccompProgram {
  /** `struct sock_filter`s. */
  readonly program: Uint8Array;
  /** `SECCOMP_FILTER_FLAG_*`. */
  readonly flags: number;
  /** Names in the profile that are no system call of any architecture here: rules about them do nothing. Sorted. */
  readonly unknown: readonly string[];
  readonly rules: Rules;
  /** Whether there is a call that an agent is asked about. */
  readonly notifies: boolean;
}

/**
 * Compiles a seccomp profile of the OCI runtime specification for a machine. Pure. `UNSUPPORTED` or `INVALID_DOCUMENT`, naming the field, for
 * what cannot be carried out.
 */
export function compileSeccomp(profile: OciSeccomp, machine: Machine): SeccompProgram {
  const fields: readonly string[] = [
    'defaultAction',
    'defaultErrnoRet',
    'architectures',
    'flags',
    'listenerPath',
    'listenerMetadata',
    'syscalls',
  ];
  for (const [name, value] of Object.entries(profile)) {
    if (value !== undefined && !fields.includes(name)) {
      throw unsupported(`linux.seccomp.${name}`, 'the launcher does not carry out this field');
    }
  }
  const rules = readRules(profile);
  const notifies = mayNotify(rules);
  checkListener(profile, rules);
  const architectures = architecturesOf(profile.architectures ?? [], machine);
  const program = assemble(compileFilter(new NodeFactory(), rules, architectures));
  const instructions = program.length / 8;
  if (instructions > maxInstructions) {
    throw unsupported(
      'linux.seccomp',
      `the profile makes a program of ${instructions} instructions, the kernel takes ${maxInstructions}: give it fewer conditions or architectures`,
    );
  }
  const unknown = [...rules.calls.keys()].filter((name) => !isSystemCall(name));
  const flags = compileFlags(profile.flags ?? [], notifies);
  return { program, flags, unknown: unknown.sort(), rules, notifies };
}
