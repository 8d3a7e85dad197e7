import type { OciProcess } from '@gantry/interface';
import type { Step } from '../protocol.generated.js';
import { compileCapabilities } from './capabilities.js';
import { absolutePath, integer, invalid, maxId, unsupported } from './refusal.js';
import { compileRlimits } from './rlimits.js';

/**
 * From the working directory to the exec. The directory is entered as root, so that one which the user may not enter
 * works as it does elsewhere; limits come after all that opens files; all privilege is gone before the barrier.
 */
export function compileProcess(process: OciProcess, clampedRlimits: readonly string[]): readonly Step[] {
  if (process.terminal) throw unsupported('process.terminal', 'terminals are not supported');
  if (process.args.length === 0) throw invalid('process.args', 'there is nothing to run');
  return [
    { op: 'chdir', path: absolutePath(process.cwd, 'process.cwd') },
    ...compileRlimits(process.rlimits ?? [], clampedRlimits),
    { op: 'umask', mask: integer(process.user.umask ?? 0o022, 0, 0o777, 'process.user.umask') },
    { op: 'sessionKeyring' },
    compileCapabilities(process.capabilities),
    compileUser(process.user),
    ...(process.noNewPrivileges ? [{ op: 'noNewPrivileges' } as const] : []),
    { op: 'ready' },
    { op: 'exec', argv: process.args, env: process.env },
  ];
}

function compileUser(user: OciProcess['user']): Step {
  return {
    op: 'user',
    uid: integer(user.uid, 0, maxId, 'process.user.uid'),
    gid: integer(user.gid, 0, maxId, 'process.user.gid'),
    groups: (user.additionalGids ?? []).map((gid, index) =>
      integer(gid, 0, maxId, `process.user.additionalGids[${index}]`).toString(),
    ),
  };
}
