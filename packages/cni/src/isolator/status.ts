import type { IsolatorStatus, MappedPort, NetworkStatus } from '@gantry/interface';
import type { Result } from '../result.js';
import { dnsOfResult } from './name-service.js';

/** A network as a container has joined it. */
export interface JoinedNetwork {
  readonly name: string;
  readonly ifName: string;
  readonly result: Result;
}

export function statusOf(networks: readonly JoinedNetwork[], ports: readonly MappedPort[]): IsolatorStatus {
  return { networks: networks.map(networkStatus), ...(ports.length > 0 ? { ports } : {}) };
}

function networkStatus({ name, ifName, result }: JoinedNetwork): NetworkStatus {
  const { interfaces = [], ips = [], routes = [] } = result;
  const inside = interfaces.findIndex((one) => one.name === ifName && one.sandbox !== undefined);
  const own = interfaces[inside];
  const dns = dnsOfResult(result);
  return {
    name,
    interface: ifName,
    ...(own?.mac === undefined ? {} : { mac: own.mac }),
    ...(own?.mtu === undefined ? {} : { mtu: own.mtu }),
    addresses: ips
      .filter((ip) => ip.interface === undefined || inside < 0 || ip.interface === inside)
      .map(({ address, gateway }) => ({ address, ...(gateway === undefined ? {} : { gateway }) })),
    routes: routes.map(({ dst, gw }) => ({ destination: dst, ...(gw === undefined ? {} : { gateway: gw }) })),
    ...(Object.keys(dns).length > 0 ? { dns } : {}),
  };
}
