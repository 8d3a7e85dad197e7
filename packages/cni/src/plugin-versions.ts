import { statSync } from 'node:fs';
import { isGantryError } from '@gantry/interface';
import type { Exec, ExecOptions } from './exec.js';
import { findPlugin, invoke, parseOutput, pluginEnvironment } from './invoke.js';
import { isObject, isStrings } from './json.js';
import { currentVersion, oldestVersion } from './versions.js';

/** What a plugin says of itself. */
export interface PluginInfo {
  readonly supportedVersions: readonly string[];
}

/** Asks plugins for the versions they speak, each once unless its file changes. */
export class PluginVersions {
  readonly #folders: readonly string[];
  readonly #exec: Exec;
  readonly #known = new Map<string, { readonly stamp: string; readonly info: PluginInfo }>();

  constructor(folders: readonly string[], exec: Exec) {
    this.#folders = folders;
    this.#exec = exec;
  }

  async of(type: string, options: ExecOptions): Promise<PluginInfo> {
    const path = findPlugin(type, this.#folders);
    const { mtimeMs, size, ino } = statSync(path);
    const stamp = `${mtimeMs} ${size} ${ino}`;
    const known = this.#known.get(path);
    if (known?.stamp === stamp) return known.info;
    const info = await this.#ask(type, path, options);
    this.#known.set(path, { stamp, info });
    return info;
  }

  async #ask(plugin: string, path: string, options: ExecOptions): Promise<PluginInfo> {
    const invocation = { plugin, command: 'VERSION' } as const;
    // The first plugins wanted these whatever the command.
    const environment = {
      ...pluginEnvironment('VERSION', this.#folders),
      CNI_NETNS: 'none',
      CNI_IFNAME: 'none',
      CNI_CONTAINERID: 'none',
    };
    const stdin = JSON.stringify({ cniVersion: currentVersion });
    try {
      const told = parseOutput(await invoke(this.#exec, invocation, { path, environment, stdin }, options), invocation);
      const versions = isObject(told) ? told['supportedVersions'] : undefined;
      // Version 0.1.0 had no such answer.
      return { supportedVersions: isStrings(versions) && versions.length > 0 ? versions : [oldestVersion] };
    } catch (error) {
      // Nor such a command.
      if (isGantryError(error, 'PLUGIN_ERROR') && /unknown CNI_COMMAND/i.test(error.message))
        return { supportedVersions: [oldestVersion] };
      throw error;
    }
  }
}
