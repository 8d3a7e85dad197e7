import { invalidDocument } from './errors.js';
import { isObject, isStrings, type JsonObject } from './json.js';
import { isIdentifier, isPluginType } from './names.js';
import { compareVersions, currentVersion, isSupported, newest, oldestVersion } from './versions.js';

/** A plugin's part of a network configuration (specification, section 1): its own fields are kept as they are. */
export interface NetworkConfig {
  readonly type: string;
  readonly capabilities: readonly string[];
  /** The object as it was read. */
  readonly raw: JsonObject;
}

/** A network: the plugins that attach a container to it, one after the other. */
export interface NetworkConfigList {
  readonly name: string;
  /** The newest version that both the configuration and this library have. */
  readonly cniVersion: string;
  /** All that the configuration has and this library speaks, oldest first. */
  readonly cniVersions: readonly string[];
  readonly disableCheck: boolean;
  readonly disableGC: boolean;
  /** Of the file; plugins of the folder called as the network are not added. */
  readonly loadOnlyInlinedPlugins: boolean;
  readonly plugins: readonly NetworkConfig[];
}

const mostBytes = 1024 * 1024;

/** Reads a list (`.conflist`). `INVALID_DOCUMENT`, naming `source`, for one that breaks the specification. Its plugins may all be in a folder. */
export function parseNetworkConfigList(text: string, source = 'network configuration'): NetworkConfigList {
  const raw = parseObject(text, source);
  const flag = (key: string) => readFlag(raw, key, source);
  const loadOnlyInlinedPlugins = flag('loadOnlyInlinedPlugins');
  const { plugins } = raw;
  if (plugins === undefined && loadOnlyInlinedPlugins) {
    throw invalidDocument(source, '$.plugins', 'is missing, and loadOnlyInlinedPlugins allows no others');
  }
  if (plugins !== undefined && !Array.isArray(plugins)) throw invalidDocument(source, '$.plugins', 'is not an array');
  if (plugins?.length === 0) throw invalidDocument(source, '$.plugins', 'is empty');
  return {
    name: readName(raw, source),
    ...readVersions(raw, source),
    disableCheck: flag('disableCheck'),
    disableGC: flag('disableGC'),
    loadOnlyInlinedPlugins,
    plugins: (plugins ?? []).map((plugin: unknown, index) => readPlugin(plugin, `$.plugins[${index}]`, source)),
  };
}

/** Reads the configuration of a single plugin (`.conf`, `.json`), before version 1.0 also a network of its own. */
export function parseNetworkConfig(text: string, source = 'plugin configuration'): NetworkConfig {
  return readPlugin(parseObject(text, source), '$', source);
}

/** The network that a single plugin's configuration, which then has a name, is. */
export function listOfOne(config: NetworkConfig, source = 'plugin configuration'): NetworkConfigList {
  return {
    name: readName(config.raw, source),
    ...readVersions(config.raw, source),
    disableCheck: readFlag(config.raw, 'disableCheck', source),
    disableGC: readFlag(config.raw, 'disableGC', source),
    loadOnlyInlinedPlugins: false,
    plugins: [config],
  };
}

/** A list as text that `parseNetworkConfigList` reads as the same list. */
export function formatNetworkConfigList(list: NetworkConfigList): string {
  const { plugins, ...fields } = list;
  return JSON.stringify({ ...fields, loadOnlyInlinedPlugins: true, plugins: plugins.map(({ raw }) => raw) });
}

function parseObject(text: string, source: string): JsonObject {
  if (text.length > mostBytes) throw invalidDocument(source, '$', `is larger than ${mostBytes} bytes`);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw invalidDocument(source, '$', 'is not JSON', cause);
  }
  if (!isObject(value)) throw invalidDocument(source, '$', 'is not an object');
  return value;
}

function readName({ name }: JsonObject, source: string): string {
  if (typeof name !== 'string' || !isIdentifier(name)) {
    throw invalidDocument(
      source,
      '$.name',
      "must be letters, digits, '_', '.' and '-', with a letter or a digit first",
    );
  }
  return name;
}

function readPlugin(value: unknown, path: string, source: string): NetworkConfig {
  if (!isObject(value)) throw invalidDocument(source, path, 'is not an object');
  const { type, capabilities = {}, ipam } = value;
  checkType(type, `${path}.type`, source);
  if (isObject(ipam) && ipam['type'] !== undefined && ipam['type'] !== '') {
    checkType(ipam['type'], `${path}.ipam.type`, source);
  }
  if (!isObject(capabilities) || Object.values(capabilities).some((has) => typeof has !== 'boolean')) {
    throw invalidDocument(source, `${path}.capabilities`, 'must be an object of true and false');
  }
  const names = Object.keys(capabilities).filter((name) => capabilities[name] === true);
  return { type, capabilities: names, raw: value };
}

function checkType(type: unknown, path: string, source: string): asserts type is string {
  if (typeof type === 'string' && isPluginType(type)) return;
  throw invalidDocument(source, path, "must be the name of a plugin's file, without '/'");
}

/** Section 1, version considerations: the newest of both. */
function readVersions(raw: JsonObject, source: string): Pick<NetworkConfigList, 'cniVersion' | 'cniVersions'> {
  const { cniVersion, cniVersions = [] } = raw;
  if (cniVersion !== undefined && typeof cniVersion !== 'string') {
    throw invalidDocument(source, '$.cniVersion', 'is not a string');
  }
  if (!isStrings(cniVersions)) throw invalidDocument(source, '$.cniVersions', 'is not an array of strings');
  const named = [...(cniVersion === undefined || cniVersion === '' ? [] : [cniVersion]), ...cniVersions];
  const odd = named.find((version) => Number.isNaN(compareVersions(version, currentVersion)));
  if (odd !== undefined) throw invalidDocument(source, '$.cniVersion', `'${odd}' is not a version`);
  const known = named.length === 0 ? [oldestVersion] : [...new Set(named)].filter(isSupported);
  const chosen = newest(known);
  if (chosen === undefined) {
    throw invalidDocument(source, '$.cniVersion', `${named.join(', ')} is not spoken here: up to ${currentVersion} is`);
  }
  return { cniVersion: chosen, cniVersions: known.sort(compareVersions) };
}

/** `true` and `false` are often given as strings. */
function readFlag(raw: JsonObject, key: string, source: string): boolean {
  const value = raw[key] ?? false;
  const flag = typeof value === 'string' ? value.toLowerCase() : value;
  if (flag === true || flag === 'true') return true;
  if (flag === false || flag === 'false') return false;
  throw invalidDocument(source, `$.${key}`, 'must be true or false');
}
