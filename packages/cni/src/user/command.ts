import type { UserStack } from '@gantry/interface';
import type { PortMappingArg } from '../runtime-conf.js';
import { type Families, inside } from './addresses.js';

/** What a stack is started for. */
export interface StackRequest {
  readonly ifName: string;
  /** The path of the network namespace, which no other container has. */
  readonly netNS: string;
  /** The process whose user namespace owns it; absent where the host program's own does. */
  readonly pid?: number;
  readonly families: Families;
  readonly ports: readonly PortMappingArg[];
  /** A server on the host's loopback that is to be asked for names. */
  readonly dnsServer?: string;
}

/** Where a stack writes, of the container's own folder. */
export const files = { pid: 'pasta.pid', log: 'pasta.log', socket: 'slirp.sock' } as const;

/** Bytes of a log that is begun anew. */
const logSize = 65_536;

/**
 * What pasta(1) is started with. It goes to the background once all is in force. Nothing of the host's loopback is to be reached, so the gateway
 * is not the host, and no port of the container's own loopback leads out.
 */
export function pastaArguments(
  { ifName, netNS, pid, families, ports, dnsServer }: StackRequest,
  folder: string,
): string[] {
  const { ipv4, ipv6 } = inside;
  const only = families.ipv6 ? (families.ipv4 ? [] : ['--ipv6-only']) : ['--ipv4-only'];
  return [
    ...['--quiet', '--config-net', '--no-map-gw', '--no-ra', '--no-dhcp', '--no-dhcpv6'],
    ...only,
    ...(families.ipv4 ? ['-a', ipv4.address, '-n', String(ipv4.length), '-g', ipv4.gateway] : []),
    ...(families.ipv6 ? ['-a', ipv6.address, '-g', ipv6.gateway] : []),
    ...['--mtu', String(inside.mtu), '--ns-ifname', ifName],
    ...(dnsServer === undefined ? ['--dns', 'none'] : ['--dns', dnsServer, '--dns-forward', inside.dns]),
    ...['--search', 'none'],
    ...pastaPorts('-t', ports, 'tcp'),
    ...pastaPorts('-u', ports, 'udp'),
    ...['-T', 'none', '-U', 'none'],
    ...['--pid', `${folder}/${files.pid}`, '--log-file', `${folder}/${files.log}`, '--log-size', String(logSize)],
    // As root it would become `nobody`, who may not enter the namespace.
    ...(pid === undefined ? ['--runas', '0'] : ['--userns', `/proc/${pid}/ns/user`]),
    ...['--netns', netNS],
  ];
}

function pastaPorts(option: '-t' | '-u', ports: readonly PortMappingArg[], protocol: string): string[] {
  const own = ports.filter((port) => port.protocol === protocol);
  if (own.length === 0) return [option, 'none'];
  return own.flatMap(({ hostIP, hostPort, containerPort }) => [
    option,
    `${hostIP === undefined ? '' : `${hostIP}/`}${hostPort}:${containerPort}`,
  ]);
}

/** What slirp4netns(1) is started with, in the container's own folder. It writes to descriptor 3 when the interface is there. */
export function slirpArguments({ ifName, netNS, pid, ports, dnsServer }: StackRequest): string[] {
  return [
    ...['--configure', '--disable-host-loopback', '--enable-sandbox', '--enable-seccomp'],
    ...(dnsServer === undefined ? ['--disable-dns'] : []),
    ...(ports.length > 0 ? [`--api-socket=${files.socket}`] : []),
    ...[`--mtu=${inside.mtu}`, '--ready-fd=3'],
    ...(pid === undefined ? ['--netns-type=path', netNS] : [String(pid)]),
    ifName,
  ];
}

/**
 * The first argument, by which a stack is known as that of a namespace. What pasta is called decides what it does, but it has the namespace
 * among the others.
 */
export function nameOf(stack: UserStack, netNS: string): string {
  return stack === 'pasta' ? 'pasta' : `slirp4netns ${netNS}`;
}
