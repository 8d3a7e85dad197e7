import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { join } from 'node:path';
import type { ContainerSpec, ContainerStatus } from '@gantry/interface';
import { startHost, type TestHost } from '../launch/host.js';
import { type TemporaryFolder, temporaryFolder } from '../support/temporary-folder.js';
import { pluginChains, removePluginChains } from './chains-of-plugins.js';

export const plugins = '/usr/lib/cni';
export const needs = {
  root: true,
  commands: ['ip', 'iptables', 'flock', `${plugins}/bridge`],
  packages: ['iproute2', 'iptables', 'util-linux', 'containernetworking-plugins'],
} as const;

export const sh = (script: string): Pick<ContainerSpec, 'command'> => ({ command: ['/bin/sh', '-c', script] });
/** Runs until it is ended. */
export const waits = sh('trap "exit 0" TERM; echo ready; while :; do sleep 1; done');

/** A host with a folder of network configurations, and one for the leases of host-local. What plugins make once goes with it. */
export interface NetworkHost extends AsyncDisposable {
  readonly host: TestHost;
  readonly configFolder: string;
  readonly leases: string;
}

/** `networks` are lists by the name of their file; `%leases%` in them is the folder for leases. */
export async function startNetworkHost(
  networks: Readonly<Record<string, object>>,
  options: {
    readonly pluginFolders?: readonly string[];
    readonly timeoutMs?: number;
    readonly collectGarbage?: boolean;
  } = {},
): Promise<NetworkHost> {
  const chains = pluginChains();
  const folder: TemporaryFolder = await temporaryFolder();
  const configFolder = join(folder.path, 'net.d');
  const leases = join(folder.path, 'leases');
  mkdirSync(configFolder);
  for (const [file, network] of Object.entries(networks)) writeNetwork({ configFolder, leases }, file, network);
  const host = await startHost({ networks: { configFolder, pluginFolders: [plugins], ...options } });
  return {
    host,
    configFolder,
    leases,
    async [Symbol.asyncDispose]() {
      await host[Symbol.asyncDispose]();
      removePluginChains(chains);
      await folder[Symbol.asyncDispose]();
    },
  };
}

export function writeNetwork(
  { configFolder, leases }: Pick<NetworkHost, 'configFolder' | 'leases'>,
  file: string,
  network: object,
): void {
  writeFileSync(join(configFolder, file), JSON.stringify(network).replaceAll('%leases%', leases));
}

export interface Bridged {
  readonly cniVersion: string;
  readonly name: string;
  readonly plugins: readonly object[];
}

/** A bridge with IPv4 and IPv6 addresses, and the plugins behind it. */
export function bridged(name: string, bridge: string, net: number, ...more: object[]): Bridged {
  return {
    cniVersion: '1.0.0',
    name,
    plugins: [
      {
        type: 'bridge',
        bridge,
        isGateway: true,
        ipMasq: true,
        hairpinMode: true,
        capabilities: { ips: true, mac: true },
        ipam: {
          type: 'host-local',
          dataDir: '%leases%',
          ranges: [[{ subnet: `10.${net}.0.0/16` }], [{ subnet: `fd00:${net}::/64` }]],
          routes: [{ dst: '0.0.0.0/0' }, { dst: '::/0' }],
        },
      },
      ...more,
    ],
  };
}

/** A bridge whose containers are known outside by their own addresses. */
export function unmasked({ plugins: [bridge, ...more], ...network }: Bridged): object {
  return { ...network, plugins: [{ ...bridge, ipMasq: false }, ...more] };
}

export const portmap = { type: 'portmap', capabilities: { portMappings: true } };

/** What a shell in a container writes. */
export async function execIn(
  { host: { containerizer } }: Pick<NetworkHost, 'host'>,
  id: string,
  script: string,
): Promise<string> {
  const process = await containerizer.exec(id, { command: ['/bin/sh', '-c', script] });
  process.stdin.end();
  let text = '';
  for await (const piece of process.stdout) text += String(piece);
  await process.exit;
  return text;
}

/** A container's first address, without its prefix length. */
export function addressOf({ networks }: ContainerStatus): string {
  return networks?.[0]?.addresses[0]?.address.split('/')[0] ?? '';
}

/** Removes interfaces, as bridges, that plugins make and leave. */
export function deleteLinks(...names: string[]): void {
  const there = readdirSync('/sys/class/net');
  for (const name of names.filter((one) => there.includes(one))) execFileSync('ip', ['link', 'delete', name]);
}

/** All that networks of containers have on the host; what the plugin firewall makes once, for all that are to come, is of none. */
export function networkState({ host, leases }: Pick<NetworkHost, 'host' | 'leases'>) {
  const save = (command: string) => execFileSync(command, { encoding: 'utf8' }).split('\n');
  const rules = ['iptables-save', 'ip6tables-save']
    .flatMap(save)
    .filter((line) => /^-A(?!.*CNI firewall plugin)/.test(line));
  return {
    links: readdirSync('/sys/class/net').sort(),
    rules: rules.sort(),
    leases: names(leases).flatMap((network) =>
      names(join(leases, network))
        .filter((name) => isIP(name) !== 0)
        .map((name) => `${network} ${name}`),
    ),
    namespaces: names(join(host.stateRoot, 'netns')),
    mounts: readFileSync('/proc/self/mountinfo', 'utf8')
      .split('\n')
      .filter((line) => line.includes('/netns/')),
    records: names(join(host.root, 'networks')).flatMap((place) =>
      names(join(host.root, 'networks', place)).filter((name) => !name.startsWith('.')),
    ),
    ports: names(join(host.root, 'networks')).flatMap((place) => names(join(host.root, 'networks', place, '.ports'))),
  };
}

function names(folder: string): string[] {
  return existsSync(folder) ? readdirSync(folder).sort() : [];
}
