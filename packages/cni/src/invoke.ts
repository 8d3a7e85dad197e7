import { statSync } from 'node:fs';
import { join } from 'node:path';
import { GantryError } from '@gantry/interface';
import type { Exec, ExecOptions, PluginOutput } from './exec.js';
import { isObject } from './json.js';
import { isPluginType } from './names.js';
import { argsText, type RuntimeConf } from './runtime-conf.js';

export type Command = 'ADD' | 'DEL' | 'CHECK' | 'GC' | 'STATUS' | 'VERSION';

/** Where programs are that plugins start, as iptables. */
const path = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** The error codes of the specification that a caller may want to tell apart (section 2, errors; section 5). */
export const pluginErrorCodes = {
  incompatibleVersion: 1,
  unsupportedField: 2,
  unknownContainer: 3,
  invalidEnvironment: 4,
  ioFailure: 5,
  decodingFailure: 6,
  invalidConfig: 7,
  tryAgainLater: 11,
  unavailable: 50,
  limitedConnectivity: 51,
} as const;

/** The file of a plugin: the first of these folders that has it. `NOT_FOUND` if none does. */
export function findPlugin(type: string, folders: readonly string[]): string {
  if (isPluginType(type)) {
    for (const folder of folders) {
      const file = join(folder, type);
      if (statSync(file, { throwIfNoEntry: false })?.isFile()) return file;
    }
  }
  const where = folders.join(', ') || 'no folder at all';
  throw new GantryError('NOT_FOUND', `there is no CNI plugin '${type}' in ${where}: install it, or name its folder`, {
    details: { plugin: type, folders },
  });
}

/** The environment of a plugin (specification, section 2, parameters). */
export function pluginEnvironment(
  command: Command,
  folders: readonly string[],
  conf?: RuntimeConf,
): Record<string, string> {
  const environment: Record<string, string> = { PATH: path, CNI_COMMAND: command, CNI_PATH: folders.join(':') };
  if (!conf) return environment;
  Object.assign(environment, { CNI_CONTAINERID: conf.containerID, CNI_IFNAME: conf.ifName });
  // A namespace that is gone is not spoken of; some plugins want the variable to be there.
  environment['CNI_NETNS'] = conf.netNS;
  const args = argsText(conf);
  if (args !== '') environment['CNI_ARGS'] = args;
  return environment;
}

/** What is run, for errors. */
export interface Invocation {
  readonly plugin: string;
  readonly command: Command;
  readonly network?: string;
  readonly containerID?: string;
  readonly ifName?: string;
}

/**
 * Runs a plugin and gives what it wrote to its standard output. `PLUGIN_ERROR` if it fails, with `details.code`, `msg` and
 * `details` as it told them; else as `Exec.run`, naming the plugin.
 */
export async function invoke(
  exec: Exec,
  invocation: Invocation,
  call: { readonly path: string; readonly environment: Readonly<Record<string, string>>; readonly stdin: string },
  options: ExecOptions,
): Promise<string> {
  let output: PluginOutput;
  try {
    output = await exec.run(call, options);
  } catch (error) {
    if (!(error instanceof GantryError)) throw error;
    const details = { ...invocation, ...error.details };
    throw new GantryError(error.code, `${title(invocation)}: ${error.message}`, { cause: error, details });
  }
  if (output.code === 0) return output.stdout;
  throw pluginError(invocation, output);
}

/** What a plugin wrote as JSON. `PLUGIN_ERROR` if it is none. */
export function parseOutput(text: string, invocation: Invocation): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    const problem = text.trim() === '' ? 'it told nothing' : 'what it told is not JSON';
    const details = { ...invocation, stdout: beginning(text) };
    throw new GantryError('PLUGIN_ERROR', `${title(invocation)}: ${problem}`, { cause, details });
  }
}

/** How errors begin that are about a plugin. */
export function title({ plugin, command, network, containerID, ifName }: Invocation): string {
  const attachment = containerID === undefined ? '' : ` ${ifName} of ${containerID}`;
  return `CNI plugin ${plugin}, ${command}${attachment}${network === undefined ? '' : ` on network ${network}`}`;
}

function pluginError(invocation: Invocation, { stdout, stderr, code: exitCode, signal }: PluginOutput): GantryError {
  const how = signal === undefined ? `it exited with ${exitCode}` : `it was killed by ${signal}`;
  const told = readError(stdout);
  const noise = beginning(stderr).trim();
  const message = told
    ? [told.msg, told.details].filter(Boolean).join(': ')
    : `${how}${noise === '' ? '' : `: ${noise}`}`;
  const code = told ? ` (code ${told.code})` : '';
  return new GantryError('PLUGIN_ERROR', `${title(invocation)}: ${message || how}${code}`, {
    details: {
      ...invocation,
      ...told,
      ...(noise === '' ? {} : { stderr: noise }),
      ...(signal === undefined ? { exitCode } : { signal }),
    },
  });
}

/** An error as plugins tell it; undefined for anything else. */
function readError(
  stdout: string,
): { readonly code: number; readonly msg: string; readonly details?: string } | undefined {
  let value: unknown;
  try {
    value = JSON.parse(stdout);
  } catch {
    return undefined;
  }
  if (!isObject(value) || typeof value['code'] !== 'number') return undefined;
  const { code, msg, details } = value;
  return {
    code,
    msg: typeof msg === 'string' ? beginning(msg) : '',
    ...(typeof details === 'string' && details !== '' ? { details: beginning(details) } : {}),
  };
}

function beginning(text: string): string {
  return text.length > 2000 ? `${text.slice(0, 2000)}…` : text;
}
