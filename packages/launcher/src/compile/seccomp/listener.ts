import type { LaunchRequest, OciSeccomp } from '@gantry/interface';
import { absolutePath, invalid, unsupported } from '../refusal.js';
import { mayNotify, type Rules } from './rules.js';

/** `sun_path`, without the NUL at its end. */
const maxPath = 107;

/** What the shim calls until the agent has the listener: asked of the agent, neither would ever be answered. */
const callsBefore = ['sendmsg', 'write'] as const;

/** Throws `INVALID_DOCUMENT` or `UNSUPPORTED`, naming the field, unless whom the rules leave calls to can be told of them. */
export function checkListener({ listenerPath, listenerMetadata }: OciSeccomp, rules: Rules): void {
  const field = 'linux.seccomp.listenerPath';
  if (listenerPath !== undefined && Buffer.byteLength(absolutePath(listenerPath, field)) > maxPath) {
    throw invalid(field, `it has more than ${maxPath} bytes`);
  }
  if (listenerMetadata !== undefined && listenerPath === undefined) {
    throw invalid('linux.seccomp.listenerMetadata', 'it is for who is at listenerPath: give that too');
  }
  if (!mayNotify(rules)) return;
  if (listenerPath === undefined) {
    throw invalid(field, 'SCMP_ACT_NOTIFY needs an agent that answers the calls: give the path of its socket');
  }
  const notified = callsBefore.filter((name) => mayNotify(rules, name));
  if (notified.length === 0) return;
  throw unsupported(
    'linux.seccomp.syscalls',
    `SCMP_ACT_NOTIFY for ${notified.join(', ')} would have the agent asked before it has the listener: use another action`,
  );
}

/**
 * The container process state of the specification, as an agent is told it, in the parts between which the shim puts the id of the process that it
 * starts. `first` is the id of the container's first process, if it is another one.
 */
export function processState({ config, id, stateDir }: LaunchRequest, first?: number): readonly string[] {
  const { ociVersion, annotations } = config;
  const metadata = config.linux.seccomp?.listenerMetadata;
  const state = { ociVersion, fds: ['seccompFd'], ...(metadata === undefined ? {} : { metadata }) };
  const container = {
    ociVersion,
    id,
    status: first === undefined ? 'creating' : 'running',
    bundle: stateDir,
    ...(annotations ? { annotations } : {}),
  };
  const withPid = (value: object) => `${JSON.stringify(value).slice(0, -1)},"pid":`;
  const middle = `,"state":${withPid(container)}`;
  return first === undefined ? [withPid(state), middle, '}}'] : [withPid(state), `${middle}${first}}}`];
}
