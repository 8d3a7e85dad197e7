import type { OciNamespace, OciNamespaceType, ProcessIdentity } from '@gantry/interface';
import type { Step } from '../protocol.generated.js';
import { absolutePath, invalid, unsupported } from './refusal.js';

const CLONE_NEWNS = 0x00020000;
const CLONE_NEWUSER = 0x10000000;
const CLONE_NEWPID = 0x20000000;

/** `CLONE_NEW*` of linux/sched.h. */
const flagOf: ReadonlyMap<OciNamespaceType, number> = new Map([
  ['mount', CLONE_NEWNS],
  ['time', 0x00000080],
  ['cgroup', 0x02000000],
  ['uts', 0x04000000],
  ['ipc', 0x08000000],
  ['user', CLONE_NEWUSER],
  ['pid', CLONE_NEWPID],
  ['network', 0x40000000],
]);

/**
 * Not cloned into: a mount namespace is a copy of what the host has mounted at the moment when the process makes it, and a
 * cgroup namespace is made by a step, once the container's own groups, which are to be its root, have been joined; so is a
 * time namespace, whose clocks are set before anybody is in it.
 */
const madeLater: ReadonlySet<OciNamespaceType> = new Set(['mount', 'cgroup', 'time']);

/** Those that a process can join for itself. */
const joinable: ReadonlySet<OciNamespaceType> = new Set(['network', 'ipc', 'uts']);

/** Those that a process can only be made in. */
const ofClone: ReadonlySet<OciNamespaceType> = new Set(['pid', 'user']);

/** The namespaces that a container has; those that it has not are the host's. */
export interface CompiledNamespaces {
  /** Of its own. */
  readonly types: ReadonlySet<OciNamespaceType>;
  /** For clone3(2): those of its own. */
  readonly cloneFlags: number;
  /** For unshare(2), by the process. */
  readonly unshareFlags: number;
  /** For setns(2), by a process that is to be in all that the container is in. */
  readonly enterFlags: number;
  /** The process some of whose namespaces the container is cloned into, and which. */
  readonly within?: { readonly parent: ProcessIdentity; readonly namespaces: number };
  /** What has the process join those that are not its own. */
  readonly joins: readonly Step[];
}

export function compileNamespaces(namespaces: readonly OciNamespace[], parent?: ProcessIdentity): CompiledNamespaces {
  const types = new Set<OciNamespaceType>();
  const joined = new Map<OciNamespaceType, string>();
  namespaces.forEach(({ type, path }, index) => {
    const field = `linux.namespaces[${index}]`;
    if (types.has(type) || joined.has(type)) throw invalid(`${field}.type`, `a second ${type} namespace`);
    if (!flagOf.has(type)) throw unsupported(`${field}.type`, `a ${type} namespace is not supported`);
    if (path === undefined) {
      types.add(type);
    } else {
      const ofParent = parent !== undefined && path === namespacePath(parent, type);
      if (!joinable.has(type) && !(ofParent && ofClone.has(type))) {
        throw unsupported(`${field}.path`, `joining the ${type} namespace ${path} is not supported`);
      }
      joined.set(type, absolutePath(path, `${field}.path`));
    }
  });
  if (!types.has('mount')) {
    throw unsupported(
      'linux.namespaces',
      'a container without a mount namespace of its own would change the host root',
    );
  }
  const within = flagsOf([...joined.keys()].filter((type) => ofClone.has(type)));
  return {
    types,
    cloneFlags: flagsOf([...types].filter((type) => !madeLater.has(type))),
    unshareFlags: CLONE_NEWNS,
    enterFlags: flagsOf([...types, ...joined.keys()]),
    ...(within !== 0 && parent ? { within: { parent, namespaces: within } } : {}),
    joins: compileJoins(joined, parent),
  };
}

/** Where the kernel shows a namespace of a process. */
export function namespacePath({ pid }: ProcessIdentity, type: OciNamespaceType): string {
  return `/proc/${pid}/ns/${type === 'network' ? 'net' : type}`;
}

/** A path below /proc may be another process's by the time it is opened; those of the parent are joined by its identity. */
function compileJoins(joined: ReadonlyMap<OciNamespaceType, string>, parent: ProcessIdentity | undefined): Step[] {
  const byPath: Step[] = [];
  const ofParent: OciNamespaceType[] = [];
  for (const [type, path] of joined) {
    if (ofClone.has(type)) continue;
    if (parent && path === namespacePath(parent, type)) ofParent.push(type);
    else byPath.push({ op: 'joinNamespace', path, namespace: flagsOf([type]) });
  }
  if (!parent || ofParent.length === 0) return byPath;
  const { pid, startTime } = parent;
  return [{ op: 'joinParent', pid, startTime, namespaces: flagsOf(ofParent) }, ...byPath];
}

function flagsOf(types: Iterable<OciNamespaceType>): number {
  let flags = 0;
  for (const type of types) flags += flagOf.get(type) ?? 0;
  return flags;
}
