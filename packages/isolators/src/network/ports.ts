import { setTimeout as pause } from 'node:timers/promises';
import type { ContainerId, Isolator, Limitation, PortRange, PrepareContext } from '@gantry/interface';
import { type CgroupIsolatorOptions, groupOf } from '../cgroups/isolator.js';
import { pidsBelow } from '../cgroups/processes.js';
import { refused } from '../errors.js';
import { isHosts, ownerOf } from '../namespaces/sharing.js';
import { rootUsers, type UserPolicy } from '../namespaces/users.js';
import { ContainerRecords } from '../records.js';
import { contains, type ListeningSocket, listeningSockets, socketsOf } from './sockets.js';

const name = 'network/ports';
const defaultIntervalMs = 10_000;

/** How ports of the host's network are watched. */
export interface PortsOptions {
  /** What becomes of a container that listens outside its ports: it is ended (default), or that is only reported. */
  readonly onLimit?: 'end' | 'report';
  /** Milliseconds between two looks. Default 10,000. */
  readonly intervalMs?: number;
}

interface PortsRecord {
  readonly ports: readonly PortRange[];
  /** The first socket that was outside them. */
  readonly found?: Pick<ListeningSocket, 'protocol' | 'port'>;
}

/**
 * `network/ports`: looks, again and again, whether a container on the host's network listens on a port that is not among its
 * `listenPorts`, and ends it or reports that. Of UDP, ports that the kernel chooses from are passed over. The kernel keeps nobody
 * from listening: between two looks a container can.
 */
export function networkPorts(
  options: CgroupIsolatorOptions & PortsOptions & { readonly stateFolder: string },
  users: UserPolicy = rootUsers(),
): Isolator {
  const { cgroups, intervalMs = defaultIntervalMs, onLimit = 'end' } = options;
  const records = new ContainerRecords<PortsRecord>(`${options.stateFolder}/ports`);

  async function look(id: ContainerId, ports: readonly PortRange[]): Promise<ListeningSocket | undefined> {
    const outside = (await listeningSockets()).filter(({ port }) => !contains(ports, port));
    if (outside.length === 0) return undefined;
    const [folder] = cgroups.folders('pids', groupOf(options, id), name);
    for (const pid of folder === undefined ? [] : await pidsBelow(folder)) {
      const inodes = new Set(await socketsOf(pid));
      const found = outside.find(({ inode }) => inodes.has(inode));
      if (found) return found;
    }
    return undefined;
  }

  return {
    name,
    after: ['namespaces/*', 'cgroups/*'],
    async edits(context) {
      if (context.spec.listenPorts && !isHosts(context, 'network')) {
        throw refused(
          name,
          'spec.listenPorts is about ports of the host, whose network the container does not use',
          "leave it out, or use network: 'host'",
        );
      }
      const watched = portsOf(context);
      if (watched && users.isOrdinary) {
        throw refused(
          name,
          'whose a socket is can be seen of all processes of a container by root alone',
          'leave spec.listenPorts out, or have root start the host program',
        );
      }
      if (watched && context.spec.shareCgroups) {
        throw refused(
          name,
          "with shareCgroups the container's processes cannot be told from its parent's",
          'leave shareCgroups out, or have a network apart from listenPorts',
        );
      }
      return {};
    },
    prepares: (context) => (portsOf(context) ? 'anything' : 'nothing'),
    async prepare(context) {
      const ports = portsOf(context);
      if (ports) records.write(context.id, { ports });
    },
    async watch(id, { signal }) {
      const { ports } = records.read(id) ?? {};
      while (ports && !signal.aborted) {
        const found = await look(id, ports);
        if (found && !signal.aborted) {
          const { protocol, port } = found;
          records.write(id, { ports, found: { protocol, port } });
          return onLimit === 'end' ? limitationOf({ ports, found }) : undefined;
        }
        // Aborting it is how it ends.
        await pause(intervalMs, undefined, { signal, ref: false }).catch(() => undefined);
      }
      return undefined;
    },
    limitation: async (id) => limitationOf(records.read(id)),
    cleanup: async (id) => records.remove(id),
    async *list() {
      yield* records.ids();
    },
  };
}

/** Those that it may listen on; undefined for all. */
function portsOf(context: PrepareContext): readonly PortRange[] | undefined {
  return context.spec.listenPorts ?? ownerOf(context, 'network').listenPorts;
}

function limitationOf({ ports = [], found }: Partial<PortsRecord> = {}): Limitation | undefined {
  if (!found) return undefined;
  const allowed = ports.map(({ first, last }) => (first === last ? `${first}` : `${first}-${last}`)).join(', ');
  return {
    isolator: name,
    resource: 'ports',
    message: `a process of the container listened on ${found.protocol} port ${found.port}, outside its ports (${allowed || 'none'})`,
    statistics: { port: found.port },
  };
}
