import { GantryError } from '@gantry/interface';
import { isLoopbackHost, reachOf } from './addresses.js';

/** The registries that the host program lets be spoken to over plain HTTP. */
export type InsecureHosts = ReadonlySet<string>;

/** True for a loopback host and one that is listed. */
export function mayUseHttp(host: string, insecure: InsecureHosts): boolean {
  return isLoopbackHost(new URL(`http://${host}`).hostname) || insecure.has(host);
}

/** The URL that a registry names in a Location header, `REGISTRY_ERROR` unless {@link refusalOfHop} has nothing against it. */
export function resolveLocation(what: string, from: URL, location: string | undefined, insecure: InsecureHosts): URL {
  if (location === undefined || !URL.canParse(location, from.href)) {
    throw new GantryError('REGISTRY_ERROR', `${what}: ${from.host} points elsewhere without a valid Location`, {
      details: { host: from.host },
    });
  }
  const to = new URL(location, from);
  const refusal = refusalOfHop(from, to, insecure);
  if (refusal === undefined) return to;
  throw new GantryError(
    'REGISTRY_ERROR',
    `${what}: ${from.host} points to ${to.protocol}//${to.host}, refused: ${refusal}`,
    {
      details: { host: from.host, target: to.host },
    },
  );
}

/** Why a request must not go on from one URL to the next that a server named; undefined if it may. */
export function refusalOfHop(from: URL, to: URL, insecure: InsecureHosts): string | undefined {
  if (to.protocol !== 'https:' && to.protocol !== 'http:') return 'neither https nor http';
  if (to.username !== '' || to.password !== '') return 'a login inside the address';
  if (to.origin === from.origin) return undefined;
  if (to.protocol === 'http:') {
    if (from.protocol === 'https:') return 'from https down to http';
    if (!mayUseHttp(to.host, insecure)) return 'plain http to a host that is not listed in `insecure`';
  }
  const reach = reachOf(to.hostname);
  if (reach === 'link-local') return 'a link-local or reserved address';
  if (reach === 'loopback' && !isLoopbackHost(from.hostname)) return 'a loopback address of this host';
  return undefined;
}

/**
 * Why a token service must not be given a login; undefined if it may: it must be the registry's own origin, a listed host,
 * or an https host that is no address of a private network. A loopback registry may have its service on another port.
 */
export function refusalOfRealm(registry: URL, realm: URL, insecure: InsecureHosts): string | undefined {
  if (realm.protocol !== 'https:' && realm.protocol !== 'http:') return 'neither https nor http';
  if (realm.username !== '' || realm.password !== '') return 'a login inside the address';
  if (realm.origin === registry.origin || insecure.has(realm.host)) return undefined;
  const bothHttp = realm.protocol === 'http:' && registry.protocol === 'http:';
  if (bothHttp && realm.hostname === registry.hostname && isLoopbackHost(realm.hostname)) return undefined;
  if (realm.protocol === 'http:') return 'plain http';
  return reachOf(realm.hostname) === 'public' ? undefined : 'an address of a private network';
}
