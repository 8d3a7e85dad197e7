import { type CallOptions, GantryError, isGantryError, throwIfAborted } from '@gantry/interface';
import type { Attachment, AttachmentCache } from './attachments.js';
import type { Exec, ExecOptions } from './exec.js';
import {
  type Command,
  findPlugin,
  type Invocation,
  invoke,
  parseOutput,
  pluginEnvironment,
  pluginErrorCodes,
} from './invoke.js';
import { checkContainerID } from './names.js';
import { listOfOne, type NetworkConfig, type NetworkConfigList } from './network-config.js';
import { type PluginInfo, PluginVersions } from './plugin-versions.js';
import { ProcessExec } from './process-exec.js';
import { deriveRequest } from './request.js';
import type { Result } from './result.js';
import { parseResult } from './result-versions.js';
import { checkRuntimeConf, type RuntimeConf } from './runtime-conf.js';
import { Turns } from './turns.js';
import { isAtLeast, newest } from './versions.js';

export interface CNIOptions {
  /** Folders that are searched for plugins, in this order. */
  readonly pluginFolders: readonly string[];
  /** Default: processes. */
  readonly exec?: Exec;
  /** Where attachments are remembered. Default: they are not, and DEL and CHECK are given no result. */
  readonly attachments?: AttachmentCache;
  /** Milliseconds that a plugin may take before it is killed. Default 60 000. */
  readonly timeoutMs?: number;
}

/** An attachment that is there to stay, for GC. */
export interface GCAttachment {
  readonly containerID: string;
  readonly ifName: string;
}

type Options = Pick<CallOptions, 'signal'>;

/**
 * Attaches containers to networks, detaches them, and asks after both, by running the plugins of network configurations: the
 * CNI specification's section 3. What it is asked for one container happens in that order, for several at once.
 */
export class CNI {
  readonly #folders: readonly string[];
  readonly #exec: Exec;
  readonly #attachments: AttachmentCache | undefined;
  readonly #timeoutMs: number;
  readonly #versions: PluginVersions;
  readonly #turns = new Turns();

  constructor({ pluginFolders, exec = new ProcessExec(), attachments, timeoutMs = 60_000 }: CNIOptions) {
    this.#folders = pluginFolders;
    this.#exec = exec;
    this.#attachments = attachments;
    this.#timeoutMs = timeoutMs;
    this.#versions = new PluginVersions(pluginFolders, exec);
  }

  /**
   * Adds an attachment: every plugin in order, each given the result of the one before. If it fails, what there is of it is for
   * `delNetworkList` to remove, which has to be called in any case.
   */
  async addNetworkList(list: NetworkConfigList, conf: RuntimeConf, options: Options = {}): Promise<Result> {
    checkRuntimeConf(conf);
    return this.#turns.attach(conf.containerID, list.name, async () => {
      await this.#attachments?.save({ list, conf });
      let result: Result | undefined;
      for (const plugin of list.plugins) result = await this.#add(list, plugin, conf, result, options);
      const whole = result ?? {};
      await this.#attachments?.saveResult({ list, conf, result: whole });
      return whole;
    });
  }

  /** Checks that an attachment is as its ADD left it. Does nothing if the configuration says so; `UNSUPPORTED` before version 0.4.0. */
  async checkNetworkList(list: NetworkConfigList, conf: RuntimeConf, options: Options = {}): Promise<void> {
    checkRuntimeConf(conf);
    if (list.disableCheck) return;
    if (!isAtLeast(list.cniVersion, '0.4.0')) {
      throw new GantryError('UNSUPPORTED', `network ${list.name}: CNI ${list.cniVersion} has no CHECK`, {
        details: { network: list.name, version: list.cniVersion },
      });
    }
    await this.#turns.attach(conf.containerID, list.name, async () => {
      const prevResult = (await this.#attachments?.load(conf))?.result;
      for (const plugin of list.plugins) await this.#run('CHECK', list, plugin, conf, prevResult, options);
    });
  }

  /**
   * Deletes an attachment: every plugin in reverse order. That a container is not known to a plugin is as good as deleted. Give
   * the configuration that the ADD used; may be called again, and for what was never added.
   */
  async delNetworkList(list: NetworkConfigList, conf: RuntimeConf, options: Options = {}): Promise<void> {
    checkRuntimeConf(conf);
    await this.#turns.attach(conf.containerID, list.name, () => this.#delete(list, conf, options));
  }

  /**
   * Has plugins remove what belongs to other attachments than these; also deletes those that are remembered here and not among
   * them. Goes on after errors; `PLUGIN_ERROR` with all of them. Does nothing if the configuration says so.
   */
  async gcNetworkList(
    list: NetworkConfigList,
    validAttachments: readonly GCAttachment[],
    options: Options = {},
  ): Promise<void> {
    if (list.disableGC) return;
    await this.#turns.collect(list.name, async () => {
      const errors: unknown[] = [];
      const attempt = async (work: Promise<unknown>) => {
        await work.catch((error: unknown) => errors.push(error));
        throwIfAborted(options.signal, `collecting network ${list.name}`);
      };
      for (const { conf, list: added } of await this.#stale(list.name, validAttachments)) {
        await attempt(this.#delete(added, conf, options));
      }
      if (isAtLeast(list.cniVersion, '1.1.0')) {
        const attachments = validAttachments.map(({ containerID, ifName }) => ({ containerID, ifname: ifName }));
        for (const plugin of list.plugins)
          await attempt(this.#plain('GC', list, plugin, { 'cni.dev/valid-attachments': attachments }, options));
      }
      if (errors.length > 0) throw allOf(`collecting network ${list.name}`, errors);
    });
  }

  /** Rejects unless every plugin of a network says that it could add attachments. Nothing is asked before version 1.1. */
  async getStatusNetworkList(list: NetworkConfigList, options: Options = {}): Promise<void> {
    if (!isAtLeast(list.cniVersion, '1.1.0')) return;
    for (const plugin of list.plugins) await this.#plain('STATUS', list, plugin, {}, options);
  }

  /** Checks that every plugin of a network is there and speaks its version; gives all their capabilities. */
  async validateNetworkList(list: NetworkConfigList, options: Options = {}): Promise<readonly string[]> {
    for (const { type } of list.plugins) {
      const { supportedVersions } = await this.getVersionInfo(type, options);
      if (supportedVersions.includes(list.cniVersion)) continue;
      throw new GantryError(
        'UNSUPPORTED',
        `network ${list.name}: plugin ${type} speaks CNI ${supportedVersions.join(', ')}, not ${list.cniVersion}`,
        { details: { network: list.name, plugin: type, supportedVersions } },
      );
    }
    return capabilitiesOf(list);
  }

  /** Which versions a plugin speaks; remembered for as long as its file does not change. */
  async getVersionInfo(type: string, options: Options = {}): Promise<PluginInfo> {
    return this.#versions.of(type, this.#limits(options));
  }

  /**
   * The list in the newest version that all its plugins speak, of those that it has itself. Runs nothing if it has one only, and
   * leaves it as it is if there is none.
   */
  async agreeOnVersion(list: NetworkConfigList, options: Options = {}): Promise<NetworkConfigList> {
    if (list.cniVersions.length < 2) return list;
    const types = [...new Set(list.plugins.map(({ type }) => type))];
    const infos = await Promise.all(types.map((type) => this.getVersionInfo(type, options)));
    const common = list.cniVersions.filter((version) =>
      infos.every((info) => info.supportedVersions.includes(version)),
    );
    const cniVersion = newest(common) ?? list.cniVersion;
    return { ...list, cniVersion, cniVersions: [cniVersion] };
  }

  /** What is remembered of the attachments of one container, or of all. */
  async getCachedAttachments(containerID?: string): Promise<readonly Attachment[]> {
    if (containerID !== undefined) checkContainerID(containerID);
    return (await this.#attachments?.list(containerID)) ?? [];
  }

  async getNetworkListCachedResult(conf: RuntimeConf): Promise<Result | undefined> {
    checkRuntimeConf(conf);
    return (await this.#attachments?.load(conf))?.result;
  }

  /** The configuration and the parameters that an attachment was added with. */
  async getNetworkListCachedConfig(conf: RuntimeConf): Promise<Pick<Attachment, 'list' | 'conf'> | undefined> {
    checkRuntimeConf(conf);
    return this.#attachments?.load(conf);
  }

  /** As `addNetworkList`, of a plugin that is a network by itself. */
  async addNetwork(network: NetworkConfig, conf: RuntimeConf, options: Options = {}): Promise<Result> {
    return this.addNetworkList(listOfOne(network), conf, options);
  }

  async checkNetwork(network: NetworkConfig, conf: RuntimeConf, options: Options = {}): Promise<void> {
    return this.checkNetworkList(listOfOne(network), conf, options);
  }

  async delNetwork(network: NetworkConfig, conf: RuntimeConf, options: Options = {}): Promise<void> {
    return this.delNetworkList(listOfOne(network), conf, options);
  }

  async validateNetwork(network: NetworkConfig, options: Options = {}): Promise<readonly string[]> {
    return this.validateNetworkList(listOfOne(network), options);
  }

  async #add(
    list: NetworkConfigList,
    plugin: NetworkConfig,
    conf: RuntimeConf,
    before: Result | undefined,
    options: Options,
  ): Promise<Result> {
    const invocation = this.#invocation('ADD', list, plugin, conf);
    const told = parseOutput(await this.#run('ADD', list, plugin, conf, before, options), invocation);
    try {
      return parseResult(told, list.cniVersion, `the result of ${plugin.type}`);
    } catch (cause) {
      const message = cause instanceof Error ? cause.message : String(cause);
      throw new GantryError('PLUGIN_ERROR', `CNI plugin ${plugin.type}, ADD on network ${list.name}: ${message}`, {
        cause,
        details: { ...invocation },
      });
    }
  }

  async #delete(list: NetworkConfigList, conf: RuntimeConf, options: Options): Promise<void> {
    const prevResult = isAtLeast(list.cniVersion, '0.4.0') ? (await this.#attachments?.load(conf))?.result : undefined;
    for (const plugin of [...list.plugins].reverse()) {
      try {
        await this.#run('DEL', list, plugin, conf, prevResult, options);
      } catch (error) {
        if (!isGantryError(error, 'PLUGIN_ERROR') || error.details['code'] !== pluginErrorCodes.unknownContainer)
          throw error;
      }
    }
    await this.#attachments?.remove(conf);
  }

  async #stale(network: string, valid: readonly GCAttachment[]): Promise<readonly Attachment[]> {
    const isValid = ({ conf }: Attachment) =>
      valid.some(({ containerID, ifName }) => containerID === conf.containerID && ifName === conf.ifName);
    return ((await this.#attachments?.list()) ?? []).filter((one) => one.list.name === network && !isValid(one));
  }

  async #run(
    command: Command,
    list: NetworkConfigList,
    plugin: NetworkConfig,
    conf: RuntimeConf,
    prevResult: Result | undefined,
    options: Options,
  ): Promise<string> {
    return invoke(
      this.#exec,
      this.#invocation(command, list, plugin, conf),
      {
        path: findPlugin(plugin.type, this.#folders),
        environment: pluginEnvironment(command, this.#folders, conf),
        stdin: JSON.stringify(deriveRequest(plugin, list, conf, prevResult)),
      },
      this.#limits(options),
    );
  }

  /** A command that is about no attachment. */
  async #plain(
    command: Command,
    list: NetworkConfigList,
    plugin: NetworkConfig,
    more: object,
    options: Options,
  ): Promise<string> {
    return invoke(
      this.#exec,
      { plugin: plugin.type, command, network: list.name },
      {
        path: findPlugin(plugin.type, this.#folders),
        environment: pluginEnvironment(command, this.#folders),
        stdin: JSON.stringify({ ...deriveRequest(plugin, list), ...more }),
      },
      this.#limits(options),
    );
  }

  #invocation(
    command: Command,
    { name }: NetworkConfigList,
    { type }: NetworkConfig,
    { containerID, ifName }: RuntimeConf,
  ): Invocation {
    return { plugin: type, command, network: name, containerID, ifName };
  }

  #limits({ signal }: Options): ExecOptions {
    return { timeoutMs: this.#timeoutMs, ...(signal ? { signal } : {}) };
  }
}

/** All that some plugin of a network declares. */
export function capabilitiesOf(list: NetworkConfigList): readonly string[] {
  return [...new Set(list.plugins.flatMap(({ capabilities }) => capabilities))];
}

function allOf(what: string, errors: readonly unknown[]): GantryError {
  const messages = errors.map((error) => (error instanceof Error ? error.message : String(error)));
  return new GantryError('PLUGIN_ERROR', `${what}: ${messages.join('; ')}`, {
    cause: errors.length === 1 ? errors[0] : new AggregateError(errors),
    details: { errors: messages },
  });
}
