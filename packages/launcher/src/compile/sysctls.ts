import type { OciNamespaceType } from '@gantry/interface';
import type { SysctlStep } from '../protocol.generated.js';
import type { CompiledNamespaces } from './namespaces.js';
import { invalid, unsupported } from './refusal.js';

/** Which namespace a parameter belongs to, by its path; any other is the whole machine's. */
const owners: readonly (readonly [RegExp, OciNamespaceType])[] = [
  [/^net\//, 'network'],
  [/^kernel\/(msgmax|msgmnb|msgmni|sem|shmall|shmmax|shmmni|shm_rmid_forced|auto_msgmni)$/, 'ipc'],
  [/^fs\/mqueue\//, 'ipc'],
  [/^kernel\/(hostname|domainname)$/, 'uts'],
];

/** Kernel parameters as writes below /proc/sys. `UNSUPPORTED` for one that would change the host. */
export function compileSysctls(
  sysctls: Readonly<Record<string, string>>,
  own: CompiledNamespaces,
): readonly SysctlStep[] {
  return Object.entries(sysctls).map(([name, value]) => {
    const field = `linux.sysctl[${JSON.stringify(name)}]`;
    const path = toPath(name, field);
    const owner = owners.find(([pattern]) => pattern.test(path))?.[1];
    if (!owner) throw unsupported(field, 'this parameter belongs to no namespace: it would change the whole machine');
    if (!own.types.has(owner)) {
      throw unsupported(field, `it would change the host: the container has no ${owner} namespace of its own`);
    }
    if (/[\n\0]/.test(value)) throw invalid(field, 'the value has a line end or NUL');
    return { op: 'sysctl', path, value };
  });
}

/** `net.ipv4.ip_forward` or `net/ipv4/ip_forward`; in either spelling the other sign stands for itself, as in sysctl(8). */
function toPath(name: string, field: string): string {
  const dotted = /^[^/]*\./.test(name);
  const path = dotted ? name.replace(/[./]/g, (sign) => (sign === '.' ? '/' : '.')) : name;
  const sound = path.split('/').every((part) => /^[\w.:@-]+$/.test(part) && part !== '.' && part !== '..');
  if (!sound) throw invalid(field, 'this is not the name of a kernel parameter');
  return path;
}
