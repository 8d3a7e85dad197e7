import { readdirSync, readFileSync } from 'node:fs';
import { extname, join } from 'node:path';
import { errnoOf, type GantryError, toGantryError } from '@gantry/interface';
import { invalidDocument } from './errors.js';
import {
  listOfOne,
  type NetworkConfig,
  type NetworkConfigList,
  parseNetworkConfig,
  parseNetworkConfigList,
} from './network-config.js';

/** What a folder of configurations holds. */
export interface NetworkConfigurations {
  /** In the order of their files' names. Of two of one name the first counts. */
  readonly networks: readonly LoadedNetwork[];
  /** Files that are no configurations; they are no reason to leave the others. */
  readonly failures: readonly { readonly file: string; readonly error: GantryError }[];
}

export interface LoadedNetwork {
  readonly file: string;
  readonly list: NetworkConfigList;
}

/**
 * Reads every configuration of a folder: `.conflist`, `.conf` and `.json`. To a list come the plugins of the `.conf` files in the
 * folder beside it that is called as the network, unless it has `loadOnlyInlinedPlugins`. A folder that is not there has none.
 */
export function loadNetworkConfigurations(folder: string): NetworkConfigurations {
  const networks: LoadedNetwork[] = [];
  const failures: { file: string; error: GantryError }[] = [];
  for (const file of filesOf(folder, ['.conflist', '.conf', '.json'])) {
    try {
      networks.push({ file, list: loadNetwork(folder, file) });
    } catch (error) {
      failures.push({ file, error: toGantryError(error, `reading ${file}`) });
    }
  }
  return { networks, failures };
}

/** One of them, by its name; undefined if there is none. */
export function findNetwork({ networks }: NetworkConfigurations, name: string): NetworkConfigList | undefined {
  return networks.find(({ list }) => list.name === name)?.list;
}

/** The files of a folder with one of these endings, in the order of their names. */
export function filesOf(folder: string, endings: readonly string[]): readonly string[] {
  try {
    return readdirSync(folder, { withFileTypes: true })
      .filter((entry) => !entry.isDirectory() && endings.includes(extname(entry.name)))
      .map(({ name }) => join(folder, name))
      .sort();
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return [];
    throw toGantryError(error, `reading the network configurations in ${folder}`);
  }
}

function loadNetwork(folder: string, file: string): NetworkConfigList {
  const text = readFileSync(file, 'utf8');
  if (extname(file) !== '.conflist') return listOfOne(parseNetworkConfig(text, file), file);
  const list = parseNetworkConfigList(text, file);
  const others = list.loadOnlyInlinedPlugins ? [] : pluginsBeside(join(folder, list.name));
  const plugins = [...list.plugins, ...others];
  if (plugins.length === 0)
    throw invalidDocument(file, '$.plugins', `is missing, and ${join(folder, list.name)} has none`);
  return { ...list, plugins };
}

function pluginsBeside(folder: string): readonly NetworkConfig[] {
  return filesOf(folder, ['.conf']).map((file) => parseNetworkConfig(readFileSync(file, 'utf8'), file));
}
