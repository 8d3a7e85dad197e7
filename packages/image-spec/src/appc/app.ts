import type { JsonFields } from '../json/json-fields.js';
import { quote } from '../quote.js';
import { largestUnixId } from '../unix-id.js';
import { readAcName } from './ac-types.js';
import { type AppcIsolator, readIsolators } from './isolators.js';
import { readEnvironment } from './named-values.js';

/** How an image, or an app of a pod, wants to run. appc 0.8, aci.md#image-manifest-schema. */
export interface AppcApp {
  readonly exec: readonly string[];
  /** A name, a number, or an absolute path of the image whose owner is meant. */
  readonly user: string;
  /** As `user`. */
  readonly group: string;
  readonly supplementaryGids: readonly number[];
  /** Absolute; `/` if not told. */
  readonly workingDirectory: string;
  readonly environment: ReadonlyMap<string, string>;
  readonly mountPoints: readonly AppcMountPoint[];
  readonly ports: readonly AppcPort[];
  readonly isolators: readonly AppcIsolator[];
  readonly eventHandlers: readonly AppcEventHandler[];
  readonly userAnnotations: ReadonlyMap<string, string>;
  readonly userLabels: ReadonlyMap<string, string>;
}

/** Where an app expects data of others. */
export interface AppcMountPoint {
  readonly name: string;
  /** Absolute. */
  readonly path: string;
  readonly readonly: boolean;
}

/** Ports that an app listens on: `port` to `port + count - 1`. */
export interface AppcPort {
  readonly name: string;
  /** `tcp`, `udp` or another, lower case. */
  readonly protocol: string;
  readonly port: number;
  readonly count: number;
  readonly socketActivated: boolean;
}

/** A command to run before the app starts, or after it was killed. */
export interface AppcEventHandler {
  readonly name: 'pre-start' | 'post-stop';
  readonly exec: readonly string[];
}

/** The fields of an app. The specification itself spells one of them in two ways. */
export const appFields = [
  'exec',
  'user',
  'group',
  'supplementaryGIDs',
  'supplementaryGids',
  'workingDirectory',
  'environment',
  'mountPoints',
  'ports',
  'isolators',
  'eventHandlers',
  'userAnnotations',
  'userLabels',
] as const;

export const portFields = ['name', 'protocol', 'port', 'count', 'socketActivated'] as const;

type AppFields = JsonFields<(typeof appFields)[number]>;

const protocolGrammar = /^[a-z][a-z0-9-]{0,15}$/;

/** Reads an app. */
export function readApp(fields: AppFields): AppcApp {
  return {
    exec: readWords(fields, 'exec'),
    user: readText(fields, 'user'),
    group: readText(fields, 'group'),
    supplementaryGids: readGids(fields),
    workingDirectory: fields.has('workingDirectory') ? readAbsolutePath(fields, 'workingDirectory') : '/',
    environment: readEnvironment(fields, 'environment'),
    mountPoints: readMountPoints(fields),
    ports: readPorts(fields),
    isolators: readIsolators(fields, 'isolators'),
    eventHandlers: readEventHandlers(fields),
    userAnnotations: fields.stringMap('userAnnotations'),
    userLabels: fields.stringMap('userLabels'),
  };
}

/** Reads one port or range of ports. */
export function readPort(fields: JsonFields<(typeof portFields)[number]>): AppcPort {
  const [name, protocol, port, count] = [
    readAcName(fields, 'name'),
    fields.requiredString('protocol').toLowerCase(),
    fields.size('port'),
    fields.optionalSize('count') ?? 1,
  ];
  if (!protocolGrammar.test(protocol)) throw fields.invalid('protocol', `${quote(protocol)} is no protocol`);
  if (port < 1 || port > 65_535) throw fields.invalid('port', 'want 1 to 65535');
  if (count < 1 || port + count - 1 > 65_535)
    throw fields.invalid('count', 'want at least 1, and no port beyond 65535');
  return { name, protocol, port, count, socketActivated: fields.boolean('socketActivated') ?? false };
}

/** Reads an absolute path without `..`; its dots, repeated and last slashes go. */
export function readAbsolutePath<Name extends string>(fields: JsonFields<Name>, name: Name): string {
  const path = normalAbsolutePath(fields.requiredString(name));
  if (path === undefined) throw fields.invalid(name, 'want an absolute path without ".." and NUL characters');
  return path;
}

/** An absolute path in its shortest form; undefined for one that is relative, has `..` or a NUL character, or is too long. */
export function normalAbsolutePath(text: string): string | undefined {
  if (!text.startsWith('/') || text.length > 4096 || text.includes('\0')) return undefined;
  const parts = text.split('/').filter((part) => part !== '' && part !== '.');
  return parts.includes('..') ? undefined : `/${parts.join('/')}`;
}

function readMountPoints(fields: AppFields): readonly AppcMountPoint[] {
  return fields.objects('mountPoints', ['name', 'path', 'readOnly']).map((point) => ({
    name: readAcName(point, 'name'),
    path: readAbsolutePath(point, 'path'),
    readonly: point.boolean('readOnly') ?? false,
  }));
}

function readPorts(fields: AppFields): readonly AppcPort[] {
  const ports = fields.objects('ports', portFields).map(readPort);
  requireOnce(
    fields,
    'ports',
    ports.map((port) => port.name),
  );
  return ports;
}

function readEventHandlers(fields: AppFields): readonly AppcEventHandler[] {
  const handlers = fields.objects('eventHandlers', ['name', 'exec']).map((handler): AppcEventHandler => {
    const name = handler.requiredString('name');
    if (name !== 'pre-start' && name !== 'post-stop') {
      throw handler.invalid('name', `${quote(name)} is neither "pre-start" nor "post-stop"`);
    }
    return { name, exec: readWords(handler, 'exec') };
  });
  requireOnce(
    fields,
    'eventHandlers',
    handlers.map((handler) => handler.name),
  );
  return handlers;
}

function readGids(fields: AppFields): readonly number[] {
  if (fields.has('supplementaryGIDs') && fields.has('supplementaryGids')) {
    throw fields.invalid('supplementaryGids', 'it stands beside supplementaryGIDs');
  }
  const name = fields.has('supplementaryGids') ? 'supplementaryGids' : 'supplementaryGIDs';
  const gids = fields.sizes(name);
  gids.forEach((gid, index) => {
    if (gid > largestUnixId) throw fields.invalidElement(name, index, `want 0 to ${largestUnixId}`);
  });
  return gids;
}

function readText(fields: AppFields, name: 'user' | 'group'): string {
  const text = fields.requiredString(name);
  if (/[\0\n:]/.test(text)) throw fields.invalid(name, `${quote(text)} cannot be a user or group`);
  return text;
}

function readWords<Name extends string>(fields: JsonFields<Name | 'exec'>, name: 'exec'): readonly string[] {
  const words = fields.strings(name);
  words.forEach((word, index) => {
    if (word.includes('\0')) throw fields.invalidElement(name, index, 'it has a NUL character');
  });
  return words;
}

/** A name by which others refer to a thing must mean one thing. */
export function requireOnce<Name extends string>(fields: JsonFields<Name>, list: Name, names: readonly string[]): void {
  const seen = new Set<string>();
  names.forEach((name, index) => {
    if (seen.has(name)) throw fields.invalidElement(list, index, `${quote(name)} comes twice`);
    seen.add(name);
  });
}
