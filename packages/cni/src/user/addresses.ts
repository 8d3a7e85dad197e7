import { hostDns, isLoopback, parseHostResolv } from '../isolator/name-service.js';
import type { Result } from '../result.js';

/** What the host can be reached over, of itself. */
export interface Families {
  readonly ipv4: boolean;
  readonly ipv6: boolean;
}

/** The addresses inside: the same in every container, as nobody sees them from outside. Of IPv6 a unique local one (RFC 4193). */
export const inside = {
  ipv4: { address: '10.0.2.100', length: 24, gateway: '10.0.2.2' },
  ipv6: { address: 'fd00:6761:6e74::100', length: 64, gateway: 'fd00:6761:6e74::2' },
  /** Where the stack passes questions for names on to the host's own server. */
  dns: '10.0.2.3',
  mtu: 65_520,
} as const;

/** Whether a table of /proc/net/route has a default route that is up (RTF_UP). */
export function hasDefaultRoute4(table: string): boolean {
  return table
    .split('\n')
    .slice(1)
    .map((line) => line.trim().split(/\s+/))
    .some(
      ([device, destination, , flags = '0', , , , mask]) =>
        device !== undefined &&
        destination === '00000000' &&
        mask === '00000000' &&
        (Number.parseInt(flags, 16) & 1) === 1,
    );
}

/** As `hasDefaultRoute4`, of /proc/net/ipv6_route; the one of `lo` is the kernel's for nowhere. */
export function hasDefaultRoute6(table: string): boolean {
  return table
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .some(
      ([destination, length, , , , , , , , device]) =>
        /^0{32}$/.test(destination ?? '') && length === '00' && device !== 'lo',
    );
}

/** The name server that the stack has to ask in the container's place: the host's, where that is on the host's loopback only. */
export function forwardedServer(): string | undefined {
  if (hostDns().servers?.length) return undefined;
  return parseHostResolv().servers?.find((server) => isLoopback(server) && !server.includes(':'));
}

/** The result of an attachment, as a plugin would tell it. */
export function resultOf(
  { ifName, netNS }: { readonly ifName: string; readonly netNS: string },
  families: Families,
  forwards: boolean,
): Result {
  const used = [...(families.ipv4 ? [inside.ipv4] : []), ...(families.ipv6 ? [inside.ipv6] : [])];
  const { search = [], options = [] } = hostDns();
  return {
    interfaces: [{ name: ifName, sandbox: netNS, mtu: inside.mtu }],
    ips: used.map(({ address, length, gateway }) => ({ address: `${address}/${length}`, gateway, interface: 0 })),
    routes: used.map(({ gateway }) => ({ dst: gateway.includes(':') ? '::/0' : '0.0.0.0/0', gw: gateway })),
    ...(forwards ? { dns: { nameservers: [inside.dns], search, options } } : {}),
  };
}
