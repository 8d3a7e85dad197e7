import { isIP } from 'node:net';
import type { EgressPolicy, EgressRule, PortRange } from '@gantry/interface';

export const egressTable = 'gantry-egress';

/**
 * A policy as nft(8) reads it: a table of the container's own network namespace. What the chain drops for want of a rule is
 * dropped in silence, as a firewall on the way would. Of what belongs to other connections only errors pass: a connection that a
 * helper of the kernel expects, of FTP say, could lead anywhere. Reports of listeners (RFC 3810) tell bridges who is to hear from whoever looks
 * for the container's address.
 *
 * The last command has nft print what the kernel holds now.
 */
export function egressRuleset(policy: EgressPolicy, dnsServers: readonly string[]): string {
  const dns = policy.dns ? dnsServers.map((cidr): EgressRule => ({ cidr, ports: [53] })) : [];
  return `table inet ${egressTable} {
  chain output {
    type filter hook output priority filter; policy drop;
    oifname "lo" accept
    ct state established accept
    ct state related meta l4proto { icmp, ipv6-icmp } accept
    ip6 hoplimit 255 icmpv6 type { nd-router-solicit, nd-neighbor-solicit, nd-neighbor-advert } accept
    ip6 daddr ff02::16 ip6 hoplimit 1 icmpv6 type mld2-listener-report accept
${[...dns, ...policy.allow]
  .flatMap(statements)
  .map((statement) => `    ${statement} accept\n`)
  .join('')}  }
  chain forward {
    type filter hook forward priority filter; policy drop;
  }
}
list table inet ${egressTable}
`;
}

export const loopbackTable = 'gantry-loopback';

/**
 * What keeps the host's loopback from a container of `network: 'user'`: a socket that is bound to its interface sends packets for 127.0.0.1 out,
 * and the program that takes them there knows that address as the host's own.
 */
export function loopbackRuleset(): string {
  const addresses = ['ip daddr { 0.0.0.0/8, 127.0.0.0/8 }', 'ip6 daddr { ::/128, ::1/128, ::ffff:0.0.0.0/96 }'];
  return `table inet ${loopbackTable} {
  chain output {
    type filter hook output priority filter - 10; policy accept;
${addresses.map((address) => `    oifname != "lo" ${address} drop\n`).join('')}  }
  chain forward {
    type filter hook forward priority filter - 10; policy drop;
  }
}
list table inet ${loopbackTable}
`;
}

function statements({ cidr, protocol, ports }: EgressRule): string[] {
  const family = isIP(cidr.split('/')[0] ?? '') === 4 ? 'ip' : 'ip6';
  const to = `${family} daddr ${cidr}`;
  if (protocol === 'icmp') return [`${to} meta l4proto ${family === 'ip' ? 'icmp' : 'ipv6-icmp'}`];
  if (ports === undefined) return [protocol === undefined ? to : `${to} meta l4proto ${protocol}`];
  const set = `{ ${merged(ports)
    .map(({ first, last }) => (first === last ? first : `${first}-${last}`))
    .join(', ')} }`;
  const protocols = protocol === undefined ? ['tcp', 'udp', 'sctp'] : [protocol];
  return protocols.map((one) => `${to} ${one} dport ${set}`);
}

/** In order and apart from each other: a set of nft takes no ranges that overlap. */
function merged(ports: readonly (number | PortRange)[]): PortRange[] {
  const ranges = ports.map((port) => (typeof port === 'number' ? { first: port, last: port } : port));
  const result: PortRange[] = [];
  for (const range of ranges.sort((a, b) => a.first - b.first)) {
    const before = result.at(-1);
    if (before && range.first <= before.last + 1) {
      result[result.length - 1] = { first: before.first, last: Math.max(before.last, range.last) };
    } else {
      result.push(range);
    }
  }
  return result;
}
