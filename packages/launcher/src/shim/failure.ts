import { type ContainerId, GantryError } from '@gantry/interface';
import { type FailedMessage, noStep } from '../protocol.generated.js';
import { errnoName, errnoText } from './errno.js';

/** What to do about a failure, by step and errno; the first that matches. */
const remedies: readonly (readonly [step: RegExp, errno: RegExp, remedy: string])[] = [
  [
    /^exec$/,
    /^ENOENT$/,
    'the command was not found in the image, or the interpreter that its first line names is missing',
  ],
  [/^exec$/, /^EACCES$/, 'the command is not executable for this user, or lies on a noexec mount'],
  [/^exec$/, /^ENOEXEC$/, 'the command is built for another machine, or is a script without #!'],
  [/^exec$/, /^E2BIG$/, 'the arguments and environment together are too long for the kernel'],
  [/^exec$/, /^EAGAIN$/, 'the user is at its RLIMIT_NPROC'],
  [/^hook$/, /^E(NOENT|ACCES|NOEXEC)$/, 'the program of the hook must be there, and executable'],
  [/^hook$/, /./, 'the launch ends with a hook that fails: mend it, or launch without what asks for it'],
  [/^agent$/, /^EAGAIN$/, 'the agent of the seccomp profile has as many connections as it takes'],
  [/^agent$/, /./, 'the agent of the seccomp profile must listen at its listenerPath'],
  [/^rlimit$/, /^EPERM$/, 'raising a hard limit needs CAP_SYS_RESOURCE; ask for no more than the host program has'],
  [/^oomScoreAdj$/, /^E(PERM|ACCES)$/, 'a value below that of the host program needs CAP_SYS_RESOURCE'],
  [
    /^(mount|bind|openTree|overlay|memory|idmap|root|setPropagation|pivot|readonly|mask)/,
    /^EPERM$/,
    'mounting needs CAP_SYS_ADMIN',
  ],
  [/^(bind|openTree)$/, /^ENOENT$/, 'the source of a bind mount must exist on the host'],
  [/^(bind|openTree)$/, /^ESTALE$/, 'the source was replaced while the container was being launched: launch it again'],
  [/^bind$/, /^EINVAL$/, 'an idmapped mount needs a file system that can be one, and a source that is none already'],
  [/^idmap$/, /^E(NOSPC|USERS)$/, 'the host allows no more user namespaces: raise user.max_user_namespaces'],
  [/^mount$/, /^ENODEV$/, 'the kernel does not have this file system'],
  [
    /^(mount|bind|overlay|memoryMount|device|symlink|makeFolder)$/,
    /^EROFS$/,
    'the root is read-only from the first: its image must have every file and folder that something goes onto',
  ],
  [/^rootOverlay$/, /^EINVAL$/, 'the upper and work folders must be on one file system that overlay can write to'],
  [/^device$/, /^EPERM$/, 'making device nodes needs CAP_MKNOD'],
  [/^(capabilities|user)$/, /^EPERM$/, 'the host program lacks a capability that the container is to have'],
  [/^joinCgroup$/, /^ENOENT$/, 'the control group was removed'],
  [/./, /^E(AGAIN|MFILE|NFILE|NOMEM)$/, 'the host is out of processes, descriptors or memory'],
  [/./, /^EPERM$/, 'the host program must be root with every capability'],
];

/** What a shim says that has no room for one more connection. */
function tooManyClients(id: ContainerId): GantryError {
  return new GantryError(
    'LIMIT_EXCEEDED',
    `container ${id}: its shim has as many connections as it takes, attachments and processes beside the first included: end one of them`,
    { details: { id } },
  );
}

/** Whether it is that the first process had ended before its plan came. */
export function endedBefore(error: unknown): boolean {
  return error instanceof GantryError && error.details?.['call'] === 'ended before its plan';
}

/**
 * The `LAUNCH_FAILED` of a `failed` frame. Its `details`: `step`, the index in the plan, unless the shim itself failed;
 * `name`, the step's `op`; `call`, what it did when it failed, or what the kernel said; `errno`; `path`.
 */
export function launchFailure(id: ContainerId, failed: FailedMessage): GantryError {
  const [name = '', ...rest] = failed.name.split(': ');
  if (name === 'clients') return tooManyClients(id);
  const call = rest.join(': ');
  const errno = errnoName(failed.errno);
  const remedy = remedies.find(([step, pattern]) => step.test(name) && pattern.test(errno))?.[2];
  const details = {
    ...(failed.step === noStep ? {} : { step: failed.step }),
    name,
    call,
    errno,
    path: failed.path,
  };
  const parts = [`container ${id}`, failed.path === '' ? name : `${name} ${failed.path}`];
  if (call !== '') parts.push(call);
  parts.push(`${errno}, ${errnoText(failed.errno)}`);
  if (remedy !== undefined) parts.push(remedy);
  return new GantryError('LAUNCH_FAILED', parts.join(': '), { details });
}
