import { GantryError } from '@gantry/interface';
import { invalidDocument } from './errors.js';
import { isObject, type JsonObject } from './json.js';
import {
  checkAddress,
  type Result,
  type ResultIP,
  type ResultRoute,
  readDNS,
  readInterfaces,
  readIPs,
  readRoutes,
} from './result.js';
import { isAtLeast, isSupported, oldestVersion } from './versions.js';

/**
 * Reads a result. It says its version itself; one that does not is of `version`. `INVALID_DOCUMENT` for one that breaks the
 * specification, `UNSUPPORTED` for one of a version that is not spoken here.
 */
export function parseResult(value: unknown, version: string = oldestVersion, source = 'result'): Result {
  if (!isObject(value)) throw invalidDocument(source, '$', 'is not an object');
  const { cniVersion } = value;
  const own = typeof cniVersion === 'string' && cniVersion !== '' ? cniVersion : version;
  checkVersion(own, source);
  if (!isAtLeast(own, '0.3.0')) return parseOld(value, source);
  const interfaces = readInterfaces(value['interfaces'], source);
  const ips = readIPs(value['ips'], source);
  const astray = ips.findIndex((ip) => ip.interface !== undefined && !interfaces[ip.interface]);
  // An address plugin's result has no interfaces to lead to.
  if (astray >= 0 && interfaces.length > 0) {
    throw invalidDocument(source, `$.ips[${astray}].interface`, 'leads to no interface');
  }
  return {
    interfaces,
    ips,
    routes: readRoutes(value['routes'], '$.routes', source),
    dns: readDNS(value['dns'], source),
  };
}

/** A result in the words of a version. `UNSUPPORTED` if that one has none for it: before 0.3.0, a result without addresses. */
export function formatResult(result: Result, version: string): JsonObject {
  checkVersion(version, 'result');
  if (!isAtLeast(version, '0.3.0')) return formatOld(result, version);
  const { interfaces = [], ips = [], routes = [], dns = {} } = result;
  return {
    cniVersion: version,
    ...(interfaces.length > 0 ? { interfaces: interfaces.map((item) => known(item, version)) } : {}),
    ...(ips.length > 0
      ? { ips: ips.map((ip) => (isAtLeast(version, '1.0.0') ? ip : { version: familyOf(ip.address), ...ip })) }
      : {}),
    ...(routes.length > 0 ? { routes: routes.map((route) => known(route, version)) } : {}),
    dns,
  };
}

/** Without what came with 1.1.0. */
function known(item: object, version: string): JsonObject {
  if (isAtLeast(version, '1.1.0')) return { ...item };
  const kept = Object.entries(item).filter(([name]) => ['name', 'mac', 'sandbox', 'dst', 'gw'].includes(name));
  return Object.fromEntries(kept);
}

/** Versions 0.1.0 and 0.2.0 have one address of each family, and no interfaces. */
function parseOld(value: JsonObject, source: string): Result {
  const ips: ResultIP[] = [];
  const routes: ResultRoute[] = [];
  for (const family of ['ip4', 'ip6']) {
    const part = value[family];
    if (part === undefined || part === null) continue;
    if (!isObject(part)) throw invalidDocument(source, `$.${family}`, 'is not an object');
    const { ip, gateway } = part;
    checkAddress(ip, `$.${family}.ip`, source);
    if (gateway !== undefined && typeof gateway !== 'string')
      throw invalidDocument(source, `$.${family}.gateway`, 'is not a string');
    ips.push({ address: ip, ...(gateway ? { gateway } : {}) });
    for (const route of readRoutes(part['routes'], `$.${family}.routes`, source)) {
      // There, a route without a gateway of its own goes by the address's.
      routes.push(route.gw === undefined && gateway ? { ...route, gw: gateway } : route);
    }
  }
  return { ips, routes, dns: readDNS(value['dns'], source) };
}

function formatOld({ ips = [], routes = [], dns = {} }: Result, version: string): JsonObject {
  const part = (family: '4' | '6') => {
    const ip = ips.find(({ address }) => familyOf(address) === family);
    if (!ip) return undefined;
    const own = routes.filter(({ dst }) => familyOf(dst) === family).map((route) => known(route, version));
    return {
      ip: ip.address,
      ...(ip.gateway === undefined ? {} : { gateway: ip.gateway }),
      ...(own.length > 0 ? { routes: own } : {}),
    };
  };
  const [ip4, ip6] = [part('4'), part('6')];
  if (!ip4 && !ip6) {
    throw new GantryError('UNSUPPORTED', `result: CNI ${version} has no words for one without addresses`, {
      details: { version },
    });
  }
  return { cniVersion: version, ...(ip4 ? { ip4 } : {}), ...(ip6 ? { ip6 } : {}), dns };
}

function familyOf(address: string): '4' | '6' {
  return address.includes(':') ? '6' : '4';
}

function checkVersion(version: string, source: string): void {
  if (isSupported(version)) return;
  throw new GantryError('UNSUPPORTED', `${source}: CNI ${version} is not spoken here`, { details: { version } });
}
