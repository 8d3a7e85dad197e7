import { BlockList, isIP } from 'node:net';

/** How far an address literal reaches; a host name is `public`, because only its look-up would tell. */
export type Reach = 'loopback' | 'link-local' | 'private' | 'public';

const loopback = blockList(['127.0.0.0/8', '::1/128']);
/** Link-local addresses hold the metadata services of clouds; unspecified, multicast and reserved ones go with them. */
const linkLocal = blockList(['169.254.0.0/16', 'fe80::/10', '0.0.0.0/8', '::/128', '224.0.0.0/3', 'ff00::/8']);
const privateUse = blockList([
  '10.0.0.0/8',
  '172.16.0.0/12',
  '192.168.0.0/16',
  '100.64.0.0/10',
  'fc00::/7',
  'fec0::/10',
  '64:ff9b::/96',
]);

/** The reach of the host of a URL, as the URL class spells it: IPv4 dotted, IPv6 in brackets. */
export function reachOf(hostname: string): Reach {
  const host = hostname.replace(/^\[|\]$/g, '').toLowerCase();
  if (host === 'localhost' || host.endsWith('.localhost')) return 'loopback';
  const version = isIP(host);
  if (version === 0) return 'public';
  const family = version === 4 ? 'ipv4' : 'ipv6';
  if (loopback.check(host, family)) return 'loopback';
  if (linkLocal.check(host, family)) return 'link-local';
  return privateUse.check(host, family) ? 'private' : 'public';
}

/** True for `localhost`, names below it, and loopback addresses. */
export function isLoopbackHost(hostname: string): boolean {
  return reachOf(hostname) === 'loopback';
}

function blockList(subnets: readonly string[]): BlockList {
  const list = new BlockList();
  for (const subnet of subnets) {
    const slash = subnet.indexOf('/');
    list.addSubnet(subnet.slice(0, slash), Number(subnet.slice(slash + 1)), subnet.includes(':') ? 'ipv6' : 'ipv4');
  }
  return list;
}
