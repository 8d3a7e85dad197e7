import type { ContainerSpec, HostEntry, NetworkRequest, PortMapping, PortProtocol } from '@gantry/interface';
import { InvalidArgumentError } from 'commander';

/** What the command line says of a container's network. */
export interface NetworkOptions {
  readonly network: readonly string[];
  readonly publish: readonly string[];
  readonly addHost: readonly string[];
  readonly dns: readonly string[];
}

/**
 * The part of a spec that is about its network; ports without a network are those of the default one, which for an ordinary user is
 * the host's by way of sockets.
 */
export function networkSpec(
  { network, publish, addHost, dns }: NetworkOptions,
  isRoot = process.geteuid?.() === 0,
): Partial<ContainerSpec> {
  const names = network.length === 0 && publish.length > 0 ? [isRoot ? 'default' : 'user'] : network;
  const [first] = names;
  const isMode = names.length === 1 && (first === 'none' || first === 'host' || first === 'user');
  return {
    ...(isMode ? { network: first } : {}),
    ...(isMode || names.length === 0 ? {} : { networks: names.map(parseNetwork) }),
    ...(publish.length > 0 ? { ports: publish.map(parsePublish) } : {}),
    ...(addHost.length > 0 ? { extraHosts: addHost.map(parseHost) } : {}),
    ...(dns.length > 0 ? { dns: { servers: dns } } : {}),
  };
}

function parseNetwork(text: string): NetworkRequest {
  const [name, iface, ...rest] = text.split(':');
  if (!name || iface === '' || rest.length > 0) {
    throw new InvalidArgumentError(`'${text}' is not a network: give its name, or name:interface.`);
  }
  return { name, ...(iface === undefined ? {} : { interface: iface }) };
}

/** `80`, `8080:80/tcp`, `127.0.0.1:8080:80`, `[::1]::53/udp`: without a host port, one that is free. */
function parsePublish(text: string): PortMapping {
  const match = /^(?:(?:(\[[0-9a-f:.]+\]|[0-9.]+):)?(\d*):)?(\d+)(?:\/(tcp|udp|sctp))?$/i.exec(text);
  if (!match) {
    throw new InvalidArgumentError(`'${text}' is not a port: give one as 80, 8080:80, 127.0.0.1:8080:80 or 53/udp.`);
  }
  const [, address, hostPort, containerPort, protocol] = match;
  return {
    containerPort: Number(containerPort),
    ...(hostPort ? { hostPort: Number(hostPort) } : {}),
    ...(address ? { hostIp: address.replace(/^\[|\]$/g, '') } : {}),
    ...(protocol ? { protocol: protocol.toLowerCase() as PortProtocol } : {}),
  };
}

function parseHost(text: string): HostEntry {
  const [, name, address] = /^([^:]+):(.+)$/.exec(text) ?? [];
  if (!name || !address) throw new InvalidArgumentError(`'${text}' is not a host: give name:address.`);
  return { address, names: [name] };
}
