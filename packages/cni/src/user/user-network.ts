import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  type ContainerId,
  type ContainerSpec,
  errnoOf,
  GantryError,
  type HostProcesses,
  type Limitation,
  type ProcessIdentity,
  toGantryError,
  type UserStack,
} from '@gantry/interface';
import type { Attachment, AttachmentCache } from '../attachments.js';
import { replaceFile } from '../durable.js';
import type { PlannedAttachment } from '../isolator/plan.js';
import { refused } from '../isolator/refusal.js';
import { isObject } from '../json.js';
import type { NetworkConfigList } from '../network-config.js';
import type { Result } from '../result.js';
import type { PortMappingArg } from '../runtime-conf.js';
import { currentVersion } from '../versions.js';
import { forwardedServer, resultOf } from './addresses.js';
import { type ChosenStack, chooseStack, stackHost } from './choice.js';
import { startStack } from './helper.js';
import { stacksOf } from './strays.js';

export interface UserNetworkOptions {
  readonly attachments: AttachmentCache;
  readonly processes: HostProcesses;
  /** The folder of a container, for what its stack writes. */
  readonly folderOf: (id: ContainerId) => string;
  /** Default: what suits the host best. */
  readonly stack?: UserStack | undefined;
  /** Milliseconds that a stack may take to come up. */
  readonly timeoutMs: number;
}

const pluginType = 'gantry-user-network';
const ifName = 'eth0';
/** Milliseconds that a stack has to be gone once it was killed. */
const patience = 5000;
/** Milliseconds between two looks at a stack. */
const interval = 1000;
const recordName = 'stack';

/** Whether a network is `network: 'user'`, rather than one by CNI. */
export function isUserNetwork({ plugins }: Pick<NetworkConfigList, 'plugins'>): boolean {
  return plugins[0]?.type === pluginType;
}

/** The one network of `network: 'user'`, in the shape of those by CNI, whose records it shares. */
function listFor(stack: UserStack): NetworkConfigList {
  return {
    name: 'user',
    cniVersion: currentVersion,
    cniVersions: [currentVersion],
    disableCheck: true,
    disableGC: true,
    loadOnlyInlinedPlugins: true,
    plugins: [
      {
        type: pluginType,
        capabilities: ['portMappings'],
        raw: { type: pluginType, capabilities: { portMappings: true }, stack },
      },
    ],
  };
}

/** Containers' networks by pasta or slirp4netns, a process a container. */
export class UserNetwork {
  readonly #options: UserNetworkOptions;

  constructor(options: UserNetworkOptions) {
    this.#options = options;
  }

  /** How a container is attached. `REFUSED` where no stack can be used, or none for what is asked. */
  plan({ ports = [] }: Pick<ContainerSpec, 'ports'>): readonly PlannedAttachment[] {
    const { stack } = this.#choose();
    const sctp = ports.findIndex(({ protocol }) => protocol === 'sctp');
    if (sctp >= 0)
      throw refused(
        `spec.ports[${sctp}]: network 'user' does not map SCTP`,
        'map TCP or UDP, or join a network by CNI',
      );
    const ipv6 = stack === 'slirp4netns' ? ports.findIndex(({ hostIp }) => hostIp?.includes(':')) : -1;
    if (ipv6 >= 0)
      throw refused(`spec.ports[${ipv6}].hostIp: slirp4netns maps no ports of IPv6 addresses`, 'give an IPv4 address');
    return [
      { request: { name: 'user' }, list: listFor(stack), ifName, capabilityArgs: {}, mapsPorts: ports.length > 0 },
    ];
  }

  /** Connects the network namespace, which is of process `pid`; resolves once all is in force. What there is of it after a failure `remove` removes. */
  async add(
    { list, conf }: Omit<Attachment, 'result'>,
    { pid, signal }: { readonly pid: number; readonly signal?: AbortSignal | undefined },
  ): Promise<Result> {
    const { attachments, timeoutMs } = this.#options;
    await attachments.save({ list, conf });
    const chosen = this.#choose(stackOf(list));
    const dnsServer = forwardedServer();
    const isRoot = process.geteuid?.() === 0;
    const folder = this.#options.folderOf(conf.containerID);
    const request = {
      ifName: conf.ifName,
      netNS: conf.netNS,
      ...(isRoot ? {} : { pid }),
      families: chosen.families,
      ports: (conf.capabilityArgs?.portMappings ?? []) as readonly PortMappingArg[],
      ...(dnsServer === undefined ? {} : { dnsServer }),
    };
    await startStack(chosen, request, { folder, timeoutMs, signal }, (started) => this.#write(folder, started));
    const known = this.#read(folder);
    if (!known || !this.#isThere(known)) {
      throw new GantryError('PLUGIN_ERROR', `network 'user': ${chosen.stack} has ended at once`, {
        details: { stack: chosen.stack },
      });
    }
    const result = resultOf(conf, chosen.families, dnsServer !== undefined);
    await attachments.saveResult({ list, conf, result });
    return result;
  }

  /** Ends the stack of an attachment, whether or not it is known that there is one. May be called again. */
  async remove({ conf, result }: Attachment): Promise<void> {
    const { attachments, processes, folderOf } = this.#options;
    const known = this.#read(folderOf(conf.containerID));
    const deadline = performance.now() + patience;
    for (;;) {
      // Whoever was killed while it started one has not written that down.
      const strays = result && known ? [] : stacksOf(conf.netNS).flatMap((pid) => processes.identify(pid) ?? []);
      const there = [...(known && this.#isThere(known) ? [known] : []), ...strays];
      if (there.length === 0) break;
      for (const one of there) await processes.kill(one);
      if (performance.now() > deadline)
        throw new GantryError(
          'TIMEOUT',
          `network 'user' of container ${conf.containerID}: process ${there[0]?.pid} does not end`,
          {
            details: { pids: there.map(({ pid }) => pid) },
          },
        );
      await sleep(5);
    }
    await attachments.remove(conf);
  }

  /** Resolves with a limitation when the stack of a container ends before that; undefined if it has none. */
  async watch(id: ContainerId, signal: AbortSignal): Promise<Limitation | undefined> {
    const known = this.#read(this.#options.folderOf(id));
    if (!known) return undefined;
    while (!signal.aborted) {
      if (!this.#isThere(known)) return ended(known.pid);
      // Aborting it is how it ends.
      await sleep(interval, undefined, { signal, ref: false }).catch(() => undefined);
    }
    return undefined;
  }

  #choose(wanted = this.#options.stack): ChosenStack {
    return chooseStack(stackHost(), wanted);
  }

  #isThere(known: ProcessIdentity): boolean {
    const found = this.#options.processes.identify(known.pid);
    return found !== undefined && found.startTime === known.startTime && found.bootId === known.bootId;
  }

  #write(folder: string, pid: number): void {
    const identity = this.#options.processes.identify(pid);
    if (identity) replaceFile(join(folder, recordName), JSON.stringify(identity));
  }

  /** A torn one counts as none. */
  #read(folder: string): ProcessIdentity | undefined {
    const path = join(folder, recordName);
    if (!existsSync(path)) return undefined;
    try {
      const value: unknown = JSON.parse(readFileSync(path, 'utf8'));
      if (!isObject(value) || typeof value['pid'] !== 'number') return undefined;
      return value as unknown as ProcessIdentity;
    } catch (error) {
      if (errnoOf(error) === 'ENOENT' || error instanceof SyntaxError) return undefined;
      throw toGantryError(error, `reading ${path}`);
    }
  }
}

function stackOf({ plugins }: NetworkConfigList): UserStack | undefined {
  const stack = plugins[0]?.raw['stack'];
  return stack === 'pasta' || stack === 'slirp4netns' ? stack : undefined;
}

function ended(pid: number): Limitation {
  return {
    isolator: 'network/cni',
    resource: 'network',
    message: `the program that connects the container's network to the host's, process ${pid}, has ended`,
  };
}
