import type { LaunchRequest, OciProcess } from '@gantry/interface';
import type { CapabilitiesStep, Step } from '../protocol.generated.js';
import type { CompileSecrets } from './inputs.js';
import { compileLandlock } from './landlock.js';
import { compileSecretEnv } from './memory-files.js';
import { absolutePath, integer, invalid, maxId } from './refusal.js';
import { compileRlimits } from './rlimits.js';
import { compileSeccompStep } from './seccomp/step.js';

/**
 * From the working directory to the exec. The directory is entered as root, so that one which the user may not enter
 * works as it does elsewhere; limits come after all that opens files; all privilege is gone before the barrier. A seccomp
 * filter comes last, so that it need not allow what goes before. Without no_new_privs it takes CAP_SYS_ADMIN, and so comes
 * before that is gone. `hooks` are run once the barrier is passed. `firstPid` is the container's first process, if this is another one.
 */
export function compileProcess(
  request: LaunchRequest,
  secrets: CompileSecrets,
  capabilities: CapabilitiesStep,
  first: LaunchRequest['first'] = 'program',
  { hooks = [], firstPid }: { readonly hooks?: readonly Step[]; readonly firstPid?: number } = {},
): readonly Step[] {
  const { clampedRlimits, secretEnv, idMapper, landlock } = request;
  const { process } = request.config;
  if (process.args.length === 0) throw invalid('process.args', 'there is nothing to run');
  const last = process.noNewPrivileges === true;
  const filter = compileSeccompStep(request, last, first, firstPid);
  return [
    { op: 'chdir', path: absolutePath(process.cwd, 'process.cwd') },
    ...compileRlimits(process.rlimits ?? [], clampedRlimits),
    { op: 'umask', mask: integer(process.user.umask ?? 0o022, 0, 0o777, 'process.user.umask') },
    { op: 'sessionKeyring' },
    ...(last ? [] : filter),
    capabilities,
    compileUser(process.user, idMapper),
    ...(process.noNewPrivileges ? [{ op: 'noNewPrivileges' } as const] : []),
    ...compileLandlock(landlock),
    ...(last ? filter : []),
    { op: 'ready' },
    ...hooks,
    ...(first === 'init' ? [{ op: 'init' } as const] : []),
    first === 'sandbox'
      ? { op: 'sandbox' }
      : { op: 'exec', argv: process.args, env: [...process.env, ...compileSecretEnv(secretEnv, secrets)] },
  ];
}

const defaultSize = { height: 24, width: 80 };

/** The terminal, if the process is to have one. `devConsole`: whether it becomes /dev/console, too. */
export function compileConsole({ terminal, consoleSize, user }: OciProcess, devConsole: boolean): readonly Step[] {
  if (!terminal) return [];
  const { height, width } = consoleSize ?? defaultSize;
  return [
    {
      op: 'console',
      columns: integer(width, 0, maxCells, 'process.consoleSize.width'),
      rows: integer(height, 0, maxCells, 'process.consoleSize.height'),
      uid: integer(user.uid, 0, maxId, 'process.user.uid'),
      devConsole: devConsole ? 1 : 0,
    },
  ];
}

/** What the kernel keeps of each side of a terminal: 16 bits. */
const maxCells = 0xffff;

/** Where nobody may change his groups, he keeps those that the host program has. */
function compileUser(user: OciProcess['user'], idMapper: LaunchRequest['idMapper']): Step {
  const groups = idMapper === 'self' ? [] : (user.additionalGids ?? []);
  return {
    op: 'user',
    uid: integer(user.uid, 0, maxId, 'process.user.uid'),
    gid: integer(user.gid, 0, maxId, 'process.user.gid'),
    groups: groups.map((gid, index) => integer(gid, 0, maxId, `process.user.additionalGids[${index}]`).toString()),
  };
}
