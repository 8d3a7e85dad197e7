import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { errnoOf } from '@gantry/interface';
import { replaceFile } from '../durable.js';
import { formatNetworkConfigList, type NetworkConfigList, parseNetworkConfigList } from '../network-config.js';

/** Which networks were used, and how: a file a configuration, which may have been changed or removed when it is looked for. */
export class UsedNetworks {
  readonly #folder: string;
  readonly #noted = new WeakSet<object>();

  constructor(stateFolder: string) {
    this.#folder = join(stateFolder, '.networks');
  }

  note(list: NetworkConfigList): void {
    // The plugins are the same object for as long as the configuration is.
    if (this.#noted.has(list.plugins)) return;
    const text = formatNetworkConfigList(list);
    const digest = createHash('sha256').update(text).digest('hex').slice(0, 16);
    const path = join(this.#folder, `${list.name}@${digest}`);
    if (!existsSync(path)) {
      mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
      replaceFile(path, text);
    }
    this.#noted.add(list.plugins);
  }

  /** A torn note counts as none. */
  list(): readonly NetworkConfigList[] {
    const lists: NetworkConfigList[] = [];
    for (const file of this.#files()) {
      try {
        lists.push(parseNetworkConfigList(readFileSync(join(this.#folder, file), 'utf8'), file));
      } catch {}
    }
    return lists;
  }

  #files(): readonly string[] {
    try {
      return readdirSync(this.#folder).filter((name) => !name.startsWith('.'));
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return [];
      throw error;
    }
  }
}
