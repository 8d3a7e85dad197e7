import { isIP } from 'node:net';
import type { ContainerSpec } from '@gantry/interface';
import * as is from './fields.js';

const names = is.list(is.nonEmptyString);

const address: is.Check = (value, field) => {
  if (typeof value !== 'string' || isIP(value) === 0) throw is.invalid(field, 'must be an IPv4 or IPv6 address');
};

/** An address, with or without a prefix length. */
const prefixed: is.Check = (value, field) => {
  is.string(value, field);
  const [ip = '', length, ...rest] = (value as string).split('/');
  address(ip, field);
  const most = isIP(ip) === 4 ? 32 : 128;
  if (rest.length > 0 || (length !== undefined && (!/^\d+$/.test(length) || Number(length) > most))) {
    throw is.invalid(field, `must be an address, or one with a prefix length of at most ${most}`);
  }
};

const hardwareAddress: is.Check = (value, field) => {
  if (typeof value !== 'string' || !/^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/i.test(value)) {
    throw is.invalid(field, 'must be an address as c2:11:22:33:44:55');
  }
};

/** Names and values of CNI_ARGS, which has `;` between them. */
const argument: is.Check = (value, field) => {
  is.string(value, field);
  if (/[;=\n]/.test(value as string)) throw is.invalid(field, "must not contain ';', '=' or a line end");
};

/** What becomes one word of resolv.conf or hosts. */
const word: is.Check = (value, field) => {
  if (typeof value !== 'string' || !/^[^\s#;\0]+$/.test(value)) {
    throw is.invalid(field, "must be a word without spaces, '#' and ';'");
  }
};

const amount = is.integer(1, Number.MAX_SAFE_INTEGER);

const bandwidth = is.object({
  ingressRate: amount,
  ingressBurst: amount,
  egressRate: amount,
  egressBurst: amount,
});

const network = is.object(
  {
    name: is.nonEmptyString,
    interface: is.nonEmptyString,
    args: is.record(argument, argument),
    ips: is.list(prefixed),
    mac: hardwareAddress,
    aliases: names,
    bandwidth,
    capabilities: is.record(is.nonEmptyString, is.json),
  },
  ['name'],
);

const port = is.integer(1, 0xffff);
const mapping: is.Check = (value, field) => {
  const fields = {
    containerPort: port,
    hostPort: is.integer(0, 0xffff),
    protocol: is.oneOf('tcp', 'udp', 'sctp'),
    hostIp: address,
    count: port,
  };
  is.object(fields, ['containerPort'])(value, field);
  const {
    containerPort,
    hostPort = 0,
    count = 1,
  } = value as { containerPort: number; hostPort?: number; count?: number };
  if (Math.max(containerPort, hostPort) + count - 1 > 0xffff)
    throw is.invalid(`${field}.count`, 'leads past port 65535');
};

/** The fields of a spec that are about its networks. */
export const networkFields = {
  network: is.oneOf('none', 'host', 'user'),
  networks: is.list(network),
  ports: is.list(mapping),
  dns: is.object({ servers: is.list(address), search: is.list(word), options: is.list(word) }),
  extraHosts: is.list(is.object({ address, names: is.list(word) }, ['address', 'names'])),
};

/** What those fields say together. */
export function checkNetworks(spec: ContainerSpec, field: string): void {
  const { networks = [], ports = [], dns, extraHosts } = spec;
  if (networks.length > 0 && spec.network !== undefined) {
    throw is.invalid(`${field}.networks`, `not with network '${spec.network}': leave one of the two out`);
  }
  if (ports.length > 0 && networks.length === 0 && spec.network !== 'user') {
    throw is.invalid(
      `${field}.ports`,
      "needs a network that can map ports: give networks, as [{ name: 'default' }], or network 'user'",
    );
  }
  if (spec.network === 'host' && (dns ?? extraHosts) !== undefined) {
    throw is.invalid(`${field}.${dns ? 'dns' : 'extraHosts'}`, "on the host's network, the host's files are used");
  }
}
