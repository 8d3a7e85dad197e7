import { readFileSync } from 'node:fs';
import { type ContainerSpec, type DnsSettings, errnoOf, type HostEntry } from '@gantry/interface';
import type { Result } from '../result.js';
import { localhostText } from './files.js';

const hostFile = '/etc/resolv.conf';
/** Where systemd-resolved, which listens on a loopback address, tells of the servers that it asks itself. */
const upstreamFile = '/run/systemd/resolve/resolv.conf';

/** The content of /etc/hosts: the container under its own name at each of its addresses, and what was asked for. */
export function hostsText(hostname: string, results: readonly Result[], extra: readonly HostEntry[] = []): string {
  const own = results.flatMap(({ ips = [] }) => ips.map(({ address }) => `${address.split('/')[0]}\t${hostname}`));
  // Without an address of its own, the container still knows itself.
  const self = own.length > 0 ? own : [`127.0.1.1\t${hostname}`];
  const asked = extra.map(({ address, names }) => `${address}\t${names.join(' ')}`);
  return localhostText + [...self, ...asked].map((line) => `${line}\n`).join('');
}

/** What a container's resolv.conf is to say: the spec's part by part, else what its networks say, else the host's. */
export function dnsOf(
  { dns }: Pick<ContainerSpec, 'dns'>,
  results: readonly Result[],
  host: () => DnsSettings,
): DnsSettings {
  const told = results.map(dnsOfResult);
  const servers = told.flatMap((one) => one.servers ?? []);
  const search = told.flatMap((one) => one.search ?? []);
  const options = told.flatMap((one) => one.options ?? []);
  const complete = dns?.servers && dns.search && dns.options;
  const base = complete || servers.length > 0 ? { servers, search, options } : host();
  return {
    servers: unique(dns?.servers ?? base.servers),
    search: unique(dns?.search ?? base.search),
    options: unique(dns?.options ?? base.options),
  };
}

/** What a network says of names. */
export function dnsOfResult({ dns }: Result): DnsSettings {
  const { nameservers, domain, search, options } = dns ?? {};
  const searched = search ?? (domain === undefined ? undefined : [domain]);
  return {
    ...(nameservers ? { servers: nameservers } : {}),
    ...(searched ? { search: searched } : {}),
    ...(options ? { options } : {}),
  };
}

export function resolvText({ servers = [], search = [], options = [] }: DnsSettings): string {
  const lines = servers.map((server) => `nameserver ${server}`);
  if (search.length > 0) lines.push(`search ${search.join(' ')}`);
  if (options.length > 0) lines.push(`options ${options.join(' ')}`);
  return lines.map((line) => `${line}\n`).join('');
}

/**
 * What the host's resolv.conf says to a container with a network of its own, where nobody listens on the host's loopback: those
 * servers are left out, in favour of the ones behind systemd-resolved if it is that.
 */
export function hostDns(file: string = hostFile, upstream: string = upstreamFile): DnsSettings {
  const own = parseHostResolv(file);
  const behind = own.servers?.some((server) => !isLoopback(server)) ? undefined : read(upstream);
  const used = behind === undefined ? own : parseResolv(behind);
  return { ...used, servers: (used.servers ?? []).filter((server) => !isLoopback(server)) };
}

/** What the host's resolv.conf says, whoever can be asked. */
export function parseHostResolv(file: string = hostFile): DnsSettings {
  return parseResolv(read(file));
}

/** Reads resolv.conf(5); the last of several search lines counts. */
export function parseResolv(text: string | undefined): DnsSettings {
  const servers: string[] = [];
  let search: readonly string[] = [];
  const options: string[] = [];
  for (const line of (text ?? '').split('\n')) {
    const [keyword, ...words] = line
      .replace(/[#;].*$/, '')
      .trim()
      .split(/\s+/);
    if (keyword === 'nameserver' && words[0]) servers.push(words[0]);
    if (keyword === 'search' || keyword === 'domain') search = words;
    if (keyword === 'options') options.push(...words);
  }
  return { servers, search, options };
}

export function isLoopback(address: string): boolean {
  return address.startsWith('127.') || address === '::1';
}

function unique(words: readonly string[] | undefined): readonly string[] {
  return [...new Set(words)];
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  }
}
