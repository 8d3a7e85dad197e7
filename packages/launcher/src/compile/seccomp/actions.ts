import { integer, unsupported } from '../refusal.js';

/** `SECCOMP_RET_*` of linux/seccomp.h. */
const actions: ReadonlyMap<string, number> = new Map([
  ['SCMP_ACT_KILL', 0x00000000],
  ['SCMP_ACT_KILL_THREAD', 0x00000000],
  ['SCMP_ACT_KILL_PROCESS', 0x80000000],
  ['SCMP_ACT_TRAP', 0x00030000],
  ['SCMP_ACT_ERRNO', 0x00050000],
  ['SCMP_ACT_NOTIFY', 0x7fc00000],
  ['SCMP_ACT_TRACE', 0x7ff00000],
  ['SCMP_ACT_LOG', 0x7ffc0000],
  ['SCMP_ACT_ALLOW', 0x7fff0000],
]);

const ERRNO = 0x00050000;
const NOTIFY = 0x7fc00000;
const TRACE = 0x7ff00000;
const EPERM = 1;
const ENOSYS = 38;

/** The kernel's largest errno. */
const maxErrno = 4095;

/** What a call of an architecture that a profile does not have comes to. */
export const killProcess = 0x80000000;

/** The answer of a kernel that does not have the call. */
export const answerNoSuchCall = ERRNO | ENOSYS;

export function isErrno(action: number): boolean {
  return (action & 0xffff0000) >>> 0 === ERRNO;
}

/** Whether the call is made, and what comes of it is its own affair. */
export function isPermission(action: number): boolean {
  return action === actions.get('SCMP_ACT_ALLOW') || action === actions.get('SCMP_ACT_LOG');
}

/** Whether an agent is asked. */
export function isNotification(action: number): boolean {
  return action === NOTIFY;
}

/**
 * What a filter returns for an action of the specification (`SCMP_ACT_*`) and its errno, EPERM if none is given. `field` is the JSON path of
 * what holds both.
 */
export function compileAction(
  name: string,
  errno: number | undefined,
  field: string,
  fields: { readonly action: string; readonly errno: string },
): number {
  const action = actions.get(name);
  if (action === undefined) throw unsupported(`${field}.${fields.action}`, `${JSON.stringify(name)} is not an action`);
  if (action !== ERRNO && action !== TRACE) {
    if (errno === undefined) return action;
    throw unsupported(`${field}.${fields.errno}`, `${name} has no errno; leave it out`);
  }
  return action | integer(errno ?? EPERM, 0, action === TRACE ? 0xffff : maxErrno, `${field}.${fields.errno}`);
}
