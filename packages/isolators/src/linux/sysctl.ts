import type { IdMapping, Isolator, PrepareContext } from '@gantry/interface';
import { invalidField, refused } from '../errors.js';
import { isHosts, isShared, ofParent } from '../namespaces/sharing.js';
import { rootUsers, type UserPolicy, usersOf } from '../namespaces/users.js';
import { hasControlCharacter } from '../text.js';

const name = 'linux/sysctl';

/** Parameters of the IPC namespace. */
const ofIpc: ReadonlySet<string> = new Set([
  'fs.mqueue.msg_default',
  'fs.mqueue.msg_max',
  'fs.mqueue.msgsize_default',
  'fs.mqueue.msgsize_max',
  'fs.mqueue.queues_max',
  'kernel.msgmax',
  'kernel.msgmnb',
  'kernel.msgmni',
  'kernel.sem',
  'kernel.shm_rmid_forced',
  'kernel.shmall',
  'kernel.shmmax',
  'kernel.shmmni',
]);

/** Parameters of the network namespace. Named one by one: a prefix would let in some that are the whole machine's. */
const ofNetwork: ReadonlySet<string> = new Set([
  'net.core.somaxconn',
  'net.ipv4.ip_forward',
  'net.ipv4.ip_local_port_range',
  'net.ipv4.ip_local_reserved_ports',
  'net.ipv4.ip_unprivileged_port_start',
  'net.ipv4.ping_group_range',
  'net.ipv4.tcp_fin_timeout',
  'net.ipv4.tcp_keepalive_intvl',
  'net.ipv4.tcp_keepalive_probes',
  'net.ipv4.tcp_keepalive_time',
  'net.ipv4.tcp_max_syn_backlog',
  'net.ipv4.tcp_rmem',
  'net.ipv4.tcp_syn_retries',
  'net.ipv4.tcp_synack_retries',
  'net.ipv4.tcp_syncookies',
  'net.ipv4.tcp_tw_reuse',
  'net.ipv4.tcp_wmem',
]);

/**
 * In a network of its own a container needs no privilege for low ports and for ping, so that images which run as an
 * ordinary user need no capability for them.
 */
const networkDefaults: Readonly<Record<string, string>> = {
  'net.ipv4.ip_unprivileged_port_start': '0',
  'net.ipv4.ping_group_range': '0 2147483647',
};

/** `linux/sysctl`: kernel parameters of the container's own namespaces, from a closed list. */
export function linuxSysctl(policy: UserPolicy = rootUsers()): Isolator {
  return {
    name,
    after: ['namespaces/*'],
    async edits(context) {
      return { sysctl: sysctlsOf(context, usersOf(context, policy)?.gids) };
    },
  };
}

/**
 * The parameters to set for a container. `REFUSED` for one that is not on the list, or would be the host's;
 * `INVALID_ARGUMENT` for one of a namespace that it shares with its parent.
 */
export function sysctlsOf(context: PrepareContext, gids?: readonly IdMapping[]): Record<string, string> {
  const ownNetwork = !isHosts(context, 'network') && !isShared(context, 'network');
  const sysctls: Record<string, string> = ownNetwork ? { ...networkDefaults } : {};
  // Of a user namespace, both ends have to exist there.
  if (ownNetwork && gids) sysctls['net.ipv4.ping_group_range'] = `0 ${lastGroup(gids)}`;
  for (const [key, value] of Object.entries(context.spec.sysctls ?? {})) {
    const type = ofNetwork.has(key) ? 'network' : ofIpc.has(key) ? 'ipc' : undefined;
    if (type !== undefined && isShared(context, type)) throw ofParent(`spec.sysctls.${key}`, type);
    if (type === 'network') {
      if (!ownNetwork) {
        throw refused(name, `${key} would be the host's, whose network the container uses`, "use network 'none'");
      }
    } else if (type === undefined) {
      const remedy =
        key === 'kernel.hostname' ? 'use spec.hostname' : `use one of ${[...ofIpc, ...ofNetwork].join(', ')}`;
      throw refused(name, `'${key}' is not a parameter that a container may set`, remedy);
    }
    // A line end would start another write, as in CVE-2022-0811.
    if (value === '' || value.length > 4095 || hasControlCharacter(value.replaceAll('\t', ' '))) {
      throw invalidField(`spec.sysctls.${key}`, 'must be 1 to 4095 characters without line ends or NUL bytes');
    }
    sysctls[key] = value;
  }
  return sysctls;
}

/** The last of the groups that exist without a gap from 0. */
function lastGroup(gids: readonly IdMapping[]): number {
  const inOrder = [...gids].sort((a, b) => a.inside - b.inside);
  return inOrder.reduce((end, { inside, size }) => (inside <= end ? Math.max(end, inside + size) : end), 0) - 1;
}
