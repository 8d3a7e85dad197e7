import type { Bandwidth, ContainerSpec, NetworkRequest, PrepareContext } from '@gantry/interface';
import { capabilitiesOf } from '../cni.js';
import { findNetwork, type NetworkConfigurations } from '../config-folder.js';
import { invalid } from '../errors.js';
import { checkInterfaceName } from '../names.js';
import type { NetworkConfigList } from '../network-config.js';
import type { CapabilityArgs } from '../runtime-conf.js';
import { refused } from './refusal.js';

/** One network that a container is to join. */
export interface PlannedAttachment {
  readonly request: NetworkRequest;
  readonly list: NetworkConfigList;
  readonly ifName: string;
  /** Without port mappings, whose host ports are not known yet. */
  readonly capabilityArgs: CapabilityArgs;
  /** Whether it is the one that maps the container's ports. */
  readonly mapsPorts: boolean;
}

const defaultNetwork = 'default';

/**
 * How a spec's networks are joined. Pure. `REFUSED` for a network that is not there, or has no plugin for what is asked of it;
 * `INVALID_ARGUMENT` for interfaces that cannot be.
 */
export function planAttachments(
  { spec, cgroupPath }: Pick<PrepareContext, 'spec' | 'cgroupPath'>,
  configurations: NetworkConfigurations,
  folder: string,
): readonly PlannedAttachment[] {
  const requests = spec.networks ?? [];
  const lists = requests.map((request) => chooseNetwork(request.name, configurations, folder));
  const mapper = mapperOf(spec, lists);
  const taken = new Set(['lo']);
  return requests.map((request, index) => {
    const list = lists[index] as NetworkConfigList;
    const field = `spec.networks[${index}].interface`;
    const ifName = request.interface ?? `eth${index}`;
    checkInterfaceName(ifName, field);
    if (taken.has(ifName)) throw invalid(field, `'${ifName}' is the name of another interface of the container`);
    taken.add(ifName);
    const declared = new Set(capabilitiesOf(list));
    const asked = askedOf(request);
    for (const capability of Object.keys(asked)) {
      if (!declared.has(capability)) throw unableTo(list, capability, `spec.networks[${index}]`);
    }
    const capabilityArgs = { ...asked, ...offered({ spec, cgroupPath }, declared) };
    return { request, list, ifName, capabilityArgs, mapsPorts: index === mapper };
  });
}

function chooseNetwork(wanted: string, configurations: NetworkConfigurations, folder: string): NetworkConfigList {
  const { networks, failures } = configurations;
  const found = findNetwork(configurations, wanted) ?? (wanted === defaultNetwork ? networks[0]?.list : undefined);
  if (found) return found;
  const names = networks.map(({ list }) => list.name).join(', ') || 'none';
  const broken = failures.map(({ error }) => `; ${error.message}`).join('');
  throw refused(
    `there is no network '${wanted}' among those of ${folder}, which are: ${names}${broken}`,
    'add its configuration',
    {
      network: wanted,
      folder,
    },
  );
}

/** The first network that can map ports, by its place; refused if there are ports, and none can. */
function mapperOf({ ports = [] }: ContainerSpec, lists: readonly NetworkConfigList[]): number {
  if (ports.length === 0) return -1;
  const mapper = lists.findIndex((list) => capabilitiesOf(list).includes('portMappings'));
  if (mapper >= 0) return mapper;
  throw refused(
    `none of the container's networks maps ports (${lists.map((list) => list.name).join(', ')})`,
    "add the plugin portmap, with capabilities { portMappings: true }, to one's configuration",
    { capability: 'portMappings' },
  );
}

/** What a request wants of plugins: each of it has to be declared by one. */
function askedOf({ ips, mac, aliases, bandwidth, capabilities = {} }: NetworkRequest): CapabilityArgs {
  return {
    ...capabilities,
    ...(ips?.length ? { ips } : {}),
    ...(mac === undefined ? {} : { mac: mac.toLowerCase() }),
    ...(aliases?.length ? { aliases } : {}),
    ...(bandwidth ? { bandwidth: withBursts(bandwidth) } : {}),
  };
}

/** What is given to those plugins that want it. */
function offered(
  { spec, cgroupPath }: Pick<PrepareContext, 'spec' | 'cgroupPath'>,
  declared: ReadonlySet<string>,
): CapabilityArgs {
  const { servers, search: searches, options } = spec.dns ?? {};
  const dns = Object.fromEntries(
    Object.entries({ servers, searches, options }).filter(([, value]) => value !== undefined),
  );
  return {
    ...(declared.has('dns') && spec.dns ? { dns } : {}),
    ...(declared.has('cgroupPath') ? { cgroupPath } : {}),
  };
}

/** The most that the plugin takes. */
const mostBurst = 2 ** 32 - 1;

/** A rate needs a burst: by default a tenth of a second of it, and no less than a few packets. */
function withBursts(bandwidth: Bandwidth): Bandwidth {
  const burst = (rate: number | undefined, given: number | undefined) =>
    given ?? (rate === undefined ? undefined : Math.min(mostBurst, Math.max(Math.ceil(rate / 10), 8 * 64 * 1024)));
  const { ingressRate, egressRate } = bandwidth;
  const bursts = {
    ingressBurst: burst(ingressRate, bandwidth.ingressBurst),
    egressBurst: burst(egressRate, bandwidth.egressBurst),
  };
  return { ...bandwidth, ...Object.fromEntries(Object.entries(bursts).filter(([, value]) => value !== undefined)) };
}

function unableTo(list: NetworkConfigList, capability: string, field: string): Error {
  return refused(
    `${field} asks network ${list.name} for ${capability}, which none of its plugins declares`,
    `add { capabilities: { ${capability}: true } } to the configuration of one that has it, or do not ask`,
    { network: list.name, capability },
  );
}
