import type { OciNamespace, OciNamespaceType } from '@gantry/interface';
import { invalid, unsupported } from './refusal.js';

const CLONE_NEWNS = 0x00020000;

/** `CLONE_NEW*` of linux/sched.h, of the namespaces that a process is cloned into. */
const cloneFlagsOf: ReadonlyMap<OciNamespaceType, number> = new Map([
  // Made by the process itself: it is a copy of what the host has mounted at that moment.
  ['mount', 0],
  // Made by a step, once the container's own groups, which are to be its root, have been joined.
  ['cgroup', 0],
  ['uts', 0x04000000],
  ['ipc', 0x08000000],
  ['pid', 0x20000000],
  ['network', 0x40000000],
]);

/** The namespaces that a container has of its own; the others are the host's. */
export interface NewNamespaces {
  readonly types: ReadonlySet<OciNamespaceType>;
  /** For clone3(2). */
  readonly cloneFlags: number;
  /** For unshare(2), by the process. */
  readonly unshareFlags: number;
}

export function compileNamespaces(namespaces: readonly OciNamespace[]): NewNamespaces {
  const types = new Set<OciNamespaceType>();
  let cloneFlags = 0;
  namespaces.forEach(({ type, path }, index) => {
    const field = `linux.namespaces[${index}]`;
    if (types.has(type)) throw invalid(`${field}.type`, `a second ${type} namespace`);
    if (path !== undefined)
      throw unsupported(`${field}.path`, `joining the ${type} namespace ${path} is not supported`);
    const flag = cloneFlagsOf.get(type);
    if (flag === undefined) throw unsupported(`${field}.type`, `a ${type} namespace is not supported`);
    types.add(type);
    cloneFlags += flag;
  });
  if (!types.has('mount')) {
    throw unsupported(
      'linux.namespaces',
      'a container without a mount namespace of its own would change the host root',
    );
  }
  return { types, cloneFlags, unshareFlags: CLONE_NEWNS };
}
