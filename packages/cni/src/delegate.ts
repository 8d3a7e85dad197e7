import { GantryError } from '@gantry/interface';
import type { Exec } from './exec.js';
import { type Command, findPlugin, invoke, parseOutput } from './invoke.js';
import { isObject } from './json.js';
import { ProcessExec } from './process-exec.js';
import type { Result } from './result.js';
import { parseResult } from './result-versions.js';

export interface DelegateOptions {
  /** What the plugin itself was given; its CNI_PATH says where the other one is. Default: this process's. */
  readonly environment?: Readonly<Record<string, string | undefined>>;
  readonly exec?: Exec;
  readonly timeoutMs?: number;
}

/**
 * For plugins: has another one, as an address plugin, do its part (specification, section 4), with the environment and the
 * configuration, the text, that this one was given. The result is that of an ADD. A failed ADD of the delegate is followed by its DEL.
 */
export async function delegate(
  type: string,
  config: string,
  options: DelegateOptions = {},
): Promise<Result | undefined> {
  const { environment = process.env, exec = new ProcessExec(), timeoutMs = 60_000 } = options;
  const given = Object.fromEntries(Object.entries(environment).filter(([, value]) => value !== undefined)) as Record<
    string,
    string
  >;
  const command = given['CNI_COMMAND'];
  if (!isCommand(command)) {
    throw new GantryError('INVALID_ARGUMENT', `CNI_COMMAND: '${command ?? ''}' is not a command`, {
      details: { field: 'CNI_COMMAND' },
    });
  }
  const path = findPlugin(
    type,
    (given['CNI_PATH'] ?? '').split(':').filter((folder) => folder !== ''),
  );
  const run = (as: Command) =>
    invoke(
      exec,
      { plugin: type, command: as },
      { path, environment: { ...given, CNI_COMMAND: as }, stdin: config },
      { timeoutMs },
    );
  if (command !== 'ADD') {
    await run(command);
    return undefined;
  }
  try {
    const told = parseOutput(await run('ADD'), { plugin: type, command });
    return parseResult(told, versionOf(config), `the result of ${type}`);
  } catch (error) {
    // What it did may be half done; the failure to be told is the first one.
    await run('DEL').catch(() => undefined);
    throw error;
  }
}

function versionOf(config: string): string | undefined {
  const value: unknown = JSON.parse(config);
  const version = isObject(value) ? value['cniVersion'] : undefined;
  return typeof version === 'string' ? version : undefined;
}

function isCommand(text: string | undefined): text is Command {
  return text !== undefined && ['ADD', 'DEL', 'CHECK', 'GC', 'STATUS', 'VERSION'].includes(text);
}
