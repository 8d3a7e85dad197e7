import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  type ExitedMessage,
  type FailedMessage,
  type HelloMessage,
  type Step,
  stateFiles,
} from '../../../packages/launcher/src/protocol.generated.js';
import { type LaunchOptions, launch, type ShimSocket } from './shim-session.js';

export const env = ['PATH=/usr/local/bin:/usr/bin:/bin'];

/** The end of a plan: the barrier and the exec. */
export function exec(...argv: string[]): Step[] {
  return [{ op: 'ready' }, { op: 'exec', argv, env }];
}

/** As `exec`, of a shell command. */
export function shell(command: string): Step[] {
  return exec('/bin/sh', '-c', command);
}

/** Launches and releases; resolves once the exec has succeeded. */
export async function start(
  steps: readonly Step[],
  options?: LaunchOptions,
): Promise<{ shim: ShimSocket; folder: string; hello: HelloMessage }> {
  const { shim, folder } = await launch(steps, options);
  const hello = await shim.expect('hello');
  shim.send({ op: 'release' });
  await shim.expect('started');
  return { shim, folder, hello };
}

/** Runs a plan to its end. */
export async function run(
  steps: readonly Step[],
  options?: LaunchOptions,
): Promise<{ exit: ExitedMessage; folder: string; stdout: string; stderr: string }> {
  const { shim, folder } = await start(steps, options);
  const exit = await shim.expect('exited');
  return { exit, folder, stdout: logged(folder, 'stdout'), stderr: logged(folder, 'stderr') };
}

/** Runs a plan that fails and gives the report. */
export async function fail(steps: readonly Step[], options?: LaunchOptions): Promise<FailedMessage> {
  const { shim } = await launch(steps, options);
  const first = await shim.next();
  if (first?.op === 'failed') return first;
  shim.send({ op: 'release' });
  return shim.expect('failed');
}

const entry = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z (stdout|stderr) ([PF]) (.*)$/s;

/** The entries of one log file, each checked to be of the CRI format. */
export function logEntries(path: string): { stream: string; whole: boolean; text: string }[] {
  const lines = readFileSync(path, 'latin1').split('\n');
  if (lines.pop() !== '') throw new Error(`${path} ends in the middle of an entry`);
  return lines.map((line) => {
    const [, stream, tag, text] = entry.exec(line) ?? [];
    if (stream === undefined || text === undefined) throw new Error(`not a log entry: ${JSON.stringify(line)}`);
    return { stream, whole: tag === 'F', text };
  });
}

/** What a stream carried, put together again from the current log file. */
export function logged(folder: string, stream: 'stdout' | 'stderr'): string {
  return logEntries(join(folder, stateFiles.log))
    .filter((line) => line.stream === stream)
    .map((line) => (line.whole ? `${line.text}\n` : line.text))
    .join('');
}
