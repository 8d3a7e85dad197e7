import type { LaunchRequest, OciSeccomp } from '@gantry/interface';
import type { SeccompStep } from '../../protocol.generated.js';
import { unsupported } from '../refusal.js';
import { compileSeccomp, type SeccompProgram } from './compile.js';
import { processState } from './listener.js';
import { isAllowed } from './rules.js';

/** Programs of profiles that nobody can change any more, and of others by their content: the last few. */
const ofFrozen = new WeakMap<OciSeccomp, SeccompProgram>();
const ofContent = new Map<string, SeccompProgram>();
const keptOfContent = 16;

/**
 * The step that installs the filter of a document, if it has one. `last`: it comes into force just before the program; else where the step
 * is. `firstPid` is as of `processState`. `UNSUPPORTED` if it would keep the shim's own program, which an init and a sandbox are, from its work.
 */
export function compileSeccompStep(
  request: LaunchRequest,
  last: boolean,
  first: LaunchRequest['first'],
  firstPid?: number,
): readonly SeccompStep[] {
  const profile = request.config.linux.seccomp;
  if (!profile) return [];
  const { program, flags, rules, notifies } = seccompProgram(profile);
  if (first === 'init' || first === 'sandbox') {
    const missing = callsOfOurs[first].filter(([name, argument]) => !isAllowed(rules, name, argument));
    if (missing.length > 0) {
      const names = missing.map(([name]) => name).join(', ');
      throw unsupported('linux.seccomp', `it keeps the ${first} from its work: allow ${names}, or do without ${first}`);
    }
  }
  const state = notifies ? processState(request, firstPid) : [];
  return [{ op: 'seccomp', program, flags, last: last ? 1 : 0, state }];
}

/** The socket of the agent that is to have the listener of the filter; empty if there is none. */
export function agentOf(profile: OciSeccomp | undefined): string {
  return (profile && seccompProgram(profile).notifies && profile.listenerPath) || '';
}

/** What is said of names in the profile that no architecture knows. */
export function remarksOn(profile: OciSeccomp | undefined): readonly string[] {
  if (!profile) return [];
  const { unknown } = seccompProgram(profile);
  return unknown.length === 0 ? [] : [`linux.seccomp.syscalls: not known as system calls: ${unknown.join(', ')}`];
}

function seccompProgram(profile: OciSeccomp): SeccompProgram {
  const known = ofFrozen.get(profile);
  if (known) return known;
  const content = JSON.stringify(profile);
  const made = ofContent.get(content) ?? compileSeccomp(profile, process.arch === 'arm64' ? 'arm64' : 'x64');
  if (isFrozen(profile)) ofFrozen.set(profile, made);
  // Last in the order of the map: the one that goes is the one not asked for longest.
  ofContent.delete(content);
  ofContent.set(content, made);
  const [oldest] = ofContent.keys();
  if (ofContent.size > keptOfContent && oldest !== undefined) ofContent.delete(oldest);
  return made;
}

/** With all that is in it. */
function isFrozen(value: unknown): boolean {
  return (
    typeof value !== 'object' || value === null || (Object.isFrozen(value) && Object.values(value).every(isFrozen))
  );
}

const SIGCHLD = 17n;

/** What the shim's own program calls from the filter on, with the first argument where that decides. */
const always: readonly (readonly [name: string, argument?: bigint])[] = [
  ['close_range'],
  ['exit_group'],
  ['prctl'],
  ['rt_sigtimedwait'],
  ['sendto'],
  ['wait4'],
  ['write'],
];
const callsOfOurs = {
  sandbox: [...always, ['close'] as const],
  init: [
    ...always,
    ['clone', SIGCHLD] as const,
    ['execve'] as const,
    ['getpgid'] as const,
    ['ioctl'] as const,
    ['kill'] as const,
    ['rt_sigprocmask'] as const,
    ['setpgid'] as const,
    ['umask'] as const,
  ],
};
