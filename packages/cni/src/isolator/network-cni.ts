import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type {
  CallOptions,
  ContainerId,
  HostProcesses,
  Isolator,
  IsolatorEdits,
  IsolatorStatus,
  Limitation,
  MappedPort,
  NamespacePins,
  PrepareContext,
  UserStack,
} from '@gantry/interface';
import { GantryError } from '@gantry/interface';
import type { Attachment } from '../attachments.js';
import { CNI } from '../cni.js';
import type { Exec } from '../exec.js';
import { FileAttachments } from '../file-attachments.js';
import type { Result } from '../result.js';
import type { RuntimeConf } from '../runtime-conf.js';
import { isUserNetwork, UserNetwork } from '../user/user-network.js';
import { CurrentConfigurations } from './configurations.js';
import { ContainerFolders } from './container-folder.js';
import { detach } from './detach.js';
import { fileMounts, LocalHosts, writeNameService } from './files.js';
import { collectGarbage } from './garbage.js';
import { readInterfaceUsage } from './interface-usage.js';
import { dnsOf, hostDns, hostsText, resolvText } from './name-service.js';
import { PinnedNamespaces } from './namespaces.js';
import { checkOwn, hasFiles, hostnameOf, isAttached, ownerOf, usesLocalHosts } from './ownership.js';
import { type PlannedAttachment, planAttachments } from './plan.js';
import { PortLeases, type TakenPorts } from './ports.js';
import { name, refused } from './refusal.js';
import { type JoinedNetwork, statusOf } from './status.js';
import { endStrays } from './strays.js';
import { UsedNetworks } from './used-networks.js';
import { verify } from './verify.js';

export interface NetworkCniOptions {
  /** Attachments and the files of containers: has to outlive a boot. */
  readonly stateFolder: string;
  /** Files that are the same in all containers, of any number of host programs; they stay. Default `.shared` in `stateFolder`. */
  readonly sharedFolder?: string;
  /** Where network namespaces are kept at paths. */
  readonly namespaceFolder: string;
  readonly pins: NamespacePins;
  readonly processes: HostProcesses;
  /** Whether the host program is an ordinary user's, who may join no networks by CNI. Default false. */
  readonly isOrdinary?: boolean;
  /** What connects containers of `network: 'user'`. Default: pasta for an ordinary user, slirp4netns for root, else the other one. */
  readonly userStack?: UserStack;
  /** Network configurations; read again when they change. Default `/etc/cni/net.d`. */
  readonly configFolder?: string;
  /** Where plugins are. Default `/opt/cni/bin`, `/usr/lib/cni`, `/usr/libexec/cni`. */
  readonly pluginFolders?: readonly string[];
  /** Milliseconds that a plugin may take. Default 60 000. */
  readonly timeoutMs?: number;
  /** Default: processes that Node.js starts; a containerizer's, that the addon starts. */
  readonly exec?: Exec;
  /**
   * Whether recovery removes, by CNI's GC and by looking through host-local's leases, what networks that were used here hold for any
   * container not known here. Only for networks that no other runtime, and no other Gantry, attaches to. Default false.
   */
  readonly collectGarbage?: boolean;
}

const defaultTimeoutMs = 60_000;
const defaultPluginFolders = ['/opt/cni/bin', '/usr/lib/cni', '/usr/libexec/cni'];

/** What is known of a container between its preparation and its clean-up, if that is the same host program's. */
interface Prepared {
  readonly context: PrepareContext;
  readonly attachments: readonly (PlannedAttachment & { readonly conf: RuntimeConf })[];
  readonly taken: TakenPorts;
  /** Settles when the records are on the disk. */
  readonly saved: Promise<unknown>;
  status?: IsolatorStatus;
  /** Whether an attachment could not be deleted. */
  hasFailed?: boolean;
}

/** `network/cni`: networks by CNI, ports of the host, and the files by which a container finds others. */
export function networkCni(options: NetworkCniOptions): Isolator {
  return new NetworkCni(options);
}

class NetworkCni implements Isolator {
  readonly name = name;
  readonly after = ['namespaces/*', 'filesystem/*', 'docker/*', 'cgroups/*', 'linux/*', 'volume/*'];
  readonly #folders: ContainerFolders;
  readonly #namespaces: PinnedNamespaces;
  readonly #configurations: CurrentConfigurations;
  readonly #attachments: FileAttachments;
  readonly #cni: CNI;
  readonly #leases: PortLeases;
  readonly #localHosts: LocalHosts;
  readonly #options: NetworkCniOptions;
  readonly #prepared = new Map<ContainerId, Prepared>();
  readonly #plans = new WeakMap<PrepareContext, readonly PlannedAttachment[]>();
  readonly #used: UsedNetworks;
  readonly #user: UserNetwork;

  constructor(options: NetworkCniOptions) {
    const { stateFolder, namespaceFolder, pins, configFolder = '/etc/cni/net.d' } = options;
    const { pluginFolders = defaultPluginFolders, timeoutMs, exec } = options;
    this.#options = options;
    this.#folders = new ContainerFolders(stateFolder);
    this.#namespaces = new PinnedNamespaces(namespaceFolder, pins);
    this.#configurations = new CurrentConfigurations(configFolder);
    this.#attachments = new FileAttachments(stateFolder);
    // The names of containers' own folders begin with no dot.
    this.#localHosts = new LocalHosts(options.sharedFolder ?? join(stateFolder, '.shared'));
    this.#used = new UsedNetworks(stateFolder);
    this.#leases = new PortLeases(join(stateFolder, '.ports'), (id) => this.#folders.has(id));
    this.#user = new UserNetwork({
      attachments: this.#attachments,
      processes: options.processes,
      folderOf: (id) => this.#folders.of(id),
      stack: options.userStack,
      timeoutMs: timeoutMs ?? defaultTimeoutMs,
    });
    this.#cni = new CNI({
      pluginFolders,
      attachments: this.#attachments,
      ...(timeoutMs === undefined ? {} : { timeoutMs }),
      ...(exec ? { exec } : {}),
    });
  }

  async edits(context: PrepareContext): Promise<IsolatorEdits> {
    const { spec } = context;
    const owner = ownerOf(context, 'network');
    if (owner.spec !== spec) {
      checkOwn(context);
      const ofName = ownerOf(context, 'uts').id === owner.id ? [] : (['hosts', 'resolv.conf'] as const);
      if (spec.sandbox || !hasFiles(owner.spec)) return this.#withLocalHosts(context);
      return { mounts: fileMounts(this.#folders.of(owner.id), spec, ofName.length > 0 ? ofName : undefined) };
    }
    if (!hasFiles(spec)) return this.#withLocalHosts(context);
    this.#plan(context);
    return {
      ...(spec.sandbox ? {} : { mounts: fileMounts(this.#folders.of(context.id), spec) }),
      ...(isAttached(spec) && hasIpv6() ? { sysctl: noAdvertisements } : {}),
    };
  }

  prepares(context: PrepareContext): 'nothing' | 'anything' {
    const writesHosts = usesLocalHosts(context) && !this.#localHosts.written;
    return writesHosts || this.#isOwner(context) ? 'anything' : 'nothing';
  }

  async prepare(context: PrepareContext): Promise<void> {
    const { id, spec } = context;
    if (usesLocalHosts(context)) this.#localHosts.write();
    if (!this.#isOwner(context)) return;
    this.#folders.make(id);
    writeNameService(this.#folders.of(id), 'hostname', `${hostnameOf(context)}\n`);
    this.#writeFiles(context, isAttached(spec) ? undefined : []);
    const planned = await Promise.all(
      this.#plan(context).map(async (one) => ({ ...one, list: await this.#cni.agreeOnVersion(one.list) })),
    );
    if (planned.length === 0) return;
    const taken = await this.#leases.take(id, spec.ports ?? []);
    const attachments = planned.map((one) => ({ ...one, conf: this.#confOf(id, one, taken.ports) }));
    // Else there is nothing to be known but the attachment itself.
    const isPlain = attachments.length === 1 && taken.ports.length === 0;
    if (!isPlain) this.#folders.write(id, { interfaces: attachments.map(({ ifName }) => ifName), ports: taken.ports });
    for (const { list } of attachments) if (!isUserNetwork(list)) this.#used.note(list);
    const saved = Promise.all(attachments.map(({ list, conf }) => this.#attachments.save({ list, conf })));
    // Told when the process waits for them.
    saved.catch(() => undefined);
    this.#prepared.set(id, { context, attachments, taken, saved });
  }

  isolates({ spec }: PrepareContext): boolean {
    return isAttached(spec);
  }

  async isolate(id: ContainerId, pid: number, options: CallOptions = {}): Promise<void> {
    const prepared = this.#prepared.get(id);
    if (!prepared) return;
    const { context, attachments, taken, saved } = prepared;
    await this.#namespaces.pin(id, pid);
    await saved;
    const joined: JoinedNetwork[] = [];
    for (const { list, conf, request, ifName } of attachments) {
      const result = await this.#attach({ list, conf }, pid, taken, options);
      verify(request, ifName, result);
      joined.push({ name: list.name, ifName, result });
    }
    this.#writeFiles(context, joined);
    taken.letGo();
    prepared.status = statusOf(joined, taken.ports);
  }

  async status(id: ContainerId): Promise<IsolatorStatus | undefined> {
    const known = this.#prepared.get(id)?.status;
    if (known || !this.#folders.has(id)) return known;
    const { interfaces, ports } = this.#folders.read(id);
    const attachments = await this.#attachments.list(id);
    const joined = attachments
      .filter(({ result }) => result)
      .map(({ list, conf: { ifName }, result = {} }) => ({ name: list.name, ifName, result }))
      .sort((a, b) => interfaces.indexOf(a.ifName) - interfaces.indexOf(b.ifName));
    return joined.length > 0 ? statusOf(joined, ports) : undefined;
  }

  async usage(id: ContainerId, pid?: number) {
    if (pid === undefined || !this.#folders.has(id) || this.#namespaces.find(id) === '') return {};
    return { network: await readInterfaceUsage(pid) };
  }

  /** Every attachment is deleted with the configuration that it was added with; the namespace goes when all are. */
  async cleanup(id: ContainerId): Promise<void> {
    // Asked of every container that ends, most of which have no networks.
    if (!this.#folders.has(id) && !existsSync(this.#namespaces.pathOf(id))) return;
    const prepared = this.#prepared.get(id);
    prepared?.taken.letGo();
    await prepared?.saved.catch(() => undefined);
    if (!prepared) await endStrays(id);
    const { interfaces, ports } = this.#folders.read(id);
    const attachments = [...(await this.#attachments.list(id))].sort(
      (a, b) => interfaces.indexOf(b.conf.ifName) - interfaces.indexOf(a.conf.ifName),
    );
    const errors: unknown[] = [];
    const isFirst = prepared !== undefined && !prepared.hasFailed;
    for (const attachment of attachments) {
      const gone = isUserNetwork(attachment.list)
        ? this.#user.remove(attachment)
        : detach(this.#cni, attachment, { netNS: this.#namespaces.find(id), isFirst });
      await gone.catch((error: unknown) => errors.push(error));
    }
    if (errors.length > 0) {
      if (prepared) prepared.hasFailed = true;
      throw allOf(id, errors);
    }
    await this.#namespaces.unpin(id);
    this.#leases.release(id, ports);
    this.#folders.remove(id);
    this.#prepared.delete(id);
  }

  async watch(id: ContainerId, { signal }: { readonly signal: AbortSignal }): Promise<Limitation | undefined> {
    return this.#folders.has(id) ? this.#user.watch(id, signal) : undefined;
  }

  async *list(): AsyncIterable<ContainerId> {
    yield* new Set([...this.#folders.ids(), ...this.#namespaces.ids()]);
  }

  async recover(options: CallOptions = {}): Promise<void> {
    const { collectGarbage: all = false } = this.#options;
    await collectGarbage(this.#used.list(), { cni: this.#cni, attachments: this.#attachments, all }, options);
  }

  /** Whether it has a network, and files of its own about it. */
  #isOwner(context: PrepareContext): boolean {
    return ownerOf(context, 'network').spec === context.spec && hasFiles(context.spec);
  }

  async #attach(
    { list, conf }: Pick<Attachment, 'list' | 'conf'>,
    pid: number,
    taken: TakenPorts,
    options: CallOptions,
  ): Promise<Result> {
    if (!isUserNetwork(list)) return this.#cni.addNetworkList(list, conf, options);
    // It binds them itself.
    taken.letGo();
    return this.#user.add({ list, conf }, { pid, signal: options.signal });
  }

  async #withLocalHosts(context: PrepareContext): Promise<IsolatorEdits> {
    return usesLocalHosts(context) ? { mounts: await this.#localHosts.mounts(context) } : {};
  }

  /** Made once a launch. */
  #plan(context: PrepareContext): readonly PlannedAttachment[] {
    const made = this.#plans.get(context) ?? this.#planNew(context);
    this.#plans.set(context, made);
    return made;
  }

  #planNew(context: PrepareContext): readonly PlannedAttachment[] {
    const { network, networks = [] } = context.spec;
    if (network === 'user') return this.#user.plan(context.spec);
    if (networks.length > 0 && this.#options.isOrdinary) {
      throw refused('joining networks by CNI takes root', "start the host program as root, or use network 'user'");
    }
    return planAttachments(context, this.#configurations.get(), this.#configurations.folder);
  }

  #confOf(
    id: ContainerId,
    { request, ifName, capabilityArgs, mapsPorts }: PlannedAttachment,
    ports: readonly MappedPort[],
  ): RuntimeConf {
    const portMappings = ports.map(({ hostIp, ...port }) => ({
      ...port,
      ...(hostIp === undefined ? {} : { hostIP: hostIp }),
    }));
    return {
      containerID: id,
      netNS: this.#namespaces.pathOf(id),
      ifName,
      args: Object.entries(request.args ?? {}),
      capabilityArgs: { ...capabilityArgs, ...(mapsPorts ? { portMappings } : {}) },
    };
  }

  /** Empty ones, for the process to mount, as long as it is not known what the networks are. */
  #writeFiles(context: PrepareContext, joined: readonly JoinedNetwork[] | undefined): void {
    const folder = this.#folders.of(context.id);
    const { spec } = context;
    const results = joined?.map(({ result }) => result);
    // Without a network there is nobody to ask but those that the spec names.
    const host = () => (isAttached(spec) ? hostDns() : {});
    const hosts = results ? hostsText(hostnameOf(context), results, spec.extraHosts) : '';
    writeNameService(folder, 'hosts', hosts);
    writeNameService(folder, 'resolv.conf', results ? resolvText(dnsOf(spec, results, host)) : '');
  }
}

/** Whoever is on the same network could else tell the container its routes, and have it send him everything (CVE-2020-10749). */
const noAdvertisements = { 'net.ipv6.conf.all.accept_ra': '0', 'net.ipv6.conf.default.accept_ra': '0' };

function hasIpv6(): boolean {
  return existsSync('/proc/sys/net/ipv6');
}

function allOf(id: ContainerId, errors: readonly unknown[]): GantryError {
  const messages = errors.map((error) => (error instanceof Error ? error.message : String(error)));
  return new GantryError('PLUGIN_ERROR', `container ${id}: ${messages.join('; ')}`, {
    cause: errors.length === 1 ? errors[0] : new AggregateError(errors),
    details: { id, errors: messages },
  });
}
