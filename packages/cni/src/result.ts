import { invalidDocument } from './errors.js';
import { isObject, isStrings, type JsonObject } from './json.js';

/** What an ADD gave (specification, section 5), in the words of version 1.1 whatever version it was told in. */
export interface Result {
  readonly interfaces?: readonly ResultInterface[];
  readonly ips?: readonly ResultIP[];
  readonly routes?: readonly ResultRoute[];
  readonly dns?: ResultDNS;
}

export interface ResultInterface {
  readonly name: string;
  readonly mac?: string;
  readonly mtu?: number;
  /** The network namespace's path; absent for one of the host. */
  readonly sandbox?: string;
  readonly socketPath?: string;
  readonly pciID?: string;
}

export interface ResultIP {
  /** With its prefix length. */
  readonly address: string;
  readonly gateway?: string;
  /** Index into `interfaces`. */
  readonly interface?: number;
}

export interface ResultRoute {
  /** With its prefix length. */
  readonly dst: string;
  readonly gw?: string;
  readonly mtu?: number;
  readonly advmss?: number;
  readonly priority?: number;
  readonly table?: number;
  readonly scope?: number;
}

export interface ResultDNS {
  readonly nameservers?: readonly string[];
  readonly domain?: string;
  readonly search?: readonly string[];
  readonly options?: readonly string[];
}

type Kind = 'string' | 'number';

/** The fields of an object that are there and not null, each of its kind. */
function fields<T>(value: unknown, kinds: { readonly [K in keyof T]-?: Kind }, path: string, source: string): T {
  if (!isObject(value)) throw invalidDocument(source, path, 'is not an object');
  const read: Record<string, unknown> = {};
  for (const [name, kind] of Object.entries(kinds) as [string, Kind][]) {
    const field = value[name];
    if (field === undefined || field === null || field === '') continue;
    if (typeof field !== kind) throw invalidDocument(source, `${path}.${name}`, `is not a ${kind}`);
    read[name] = field;
  }
  return read as T;
}

const ofInterface = {
  name: 'string',
  mac: 'string',
  mtu: 'number',
  sandbox: 'string',
  socketPath: 'string',
  pciID: 'string',
} as const;
const ofIP = { address: 'string', gateway: 'string', interface: 'number' } as const;
const ofRoute = {
  dst: 'string',
  gw: 'string',
  mtu: 'number',
  advmss: 'number',
  priority: 'number',
  table: 'number',
  scope: 'number',
} as const;

export function readInterfaces(value: unknown, source: string): readonly ResultInterface[] {
  return list(value, '$.interfaces', source, (item, path) => {
    const read = fields<ResultInterface>(item, ofInterface, path, source);
    if (!read.name) throw invalidDocument(source, `${path}.name`, 'is missing');
    return read;
  });
}

export function readIPs(value: unknown, source: string): readonly ResultIP[] {
  return list(value, '$.ips', source, (item, path) => {
    const read = fields<ResultIP>(item, ofIP, path, source);
    checkAddress(read.address, `${path}.address`, source);
    return read;
  });
}

export function readRoutes(value: unknown, path: string, source: string): readonly ResultRoute[] {
  return list(value, path, source, (item, place) => {
    const read = fields<ResultRoute>(item, ofRoute, place, source);
    checkAddress(read.dst, `${place}.dst`, source);
    return read;
  });
}

export function readDNS(value: unknown, source: string): ResultDNS {
  if (value === undefined || value === null) return {};
  if (!isObject(value)) throw invalidDocument(source, '$.dns', 'is not an object');
  const read: Record<string, unknown> = {};
  for (const name of ['nameservers', 'search', 'options']) {
    const field = value[name];
    if (field === undefined || field === null) continue;
    if (!isStrings(field)) throw invalidDocument(source, `$.dns.${name}`, 'is not an array of strings');
    if (field.length > 0) read[name] = field;
  }
  const { domain } = value as JsonObject;
  if (typeof domain === 'string' && domain !== '') read['domain'] = domain;
  return read;
}

/** An address with its prefix length. What is more is for those to find who use it. */
export function checkAddress(text: unknown, path: string, source: string): asserts text is string {
  if (typeof text === 'string' && /^[0-9a-fA-F.:]+\/\d{1,3}$/.test(text)) return;
  throw invalidDocument(source, path, `is ${JSON.stringify(text)}, not an address with a prefix length`);
}

function list<T>(value: unknown, path: string, source: string, read: (item: unknown, path: string) => T): readonly T[] {
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value)) throw invalidDocument(source, path, 'is not an array');
  return value.map((item: unknown, index) => read(item, `${path}[${index}]`));
}
