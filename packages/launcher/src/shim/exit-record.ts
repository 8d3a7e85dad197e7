import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type ExitStatus, errnoOf, GantryError, toGantryError } from '@gantry/interface';
import { type ExitedMessage, stateFiles } from '../protocol.generated.js';
import { errnoName, errnoText } from './errno.js';
import { signalName } from './signal-name.js';

/** The exit record in a state folder, or undefined if there is none. `CORRUPT_STATE` for one that is torn. */
export async function readExitRecord(stateDir: string): Promise<ExitStatus | undefined> {
  const path = join(stateDir, stateFiles.exitRecord);
  try {
    return parseExitRecord(await readFile(path, 'latin1'), path);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw toGantryError(error, `reading the exit record ${path}`);
  }
}

/** Parses the text of an exit record; `path` is for the message of `CORRUPT_STATE`. */
export function parseExitRecord(text: string, path: string): ExitStatus {
  const [, type, value, at] = /^(exited|signaled|failed) (\d{1,3})\nat (\d{1,15})\nprocess \d+ \d+\n$/.exec(text) ?? [];
  if (type === undefined) {
    throw new GantryError(
      'CORRUPT_STATE',
      `${path} is not an exit record: remove it once the container is known to have ended`,
      {
        details: { path },
      },
    );
  }
  if (type !== 'failed') return exitStatus(type === 'exited', Number(value), Number(at));
  const errno = Number(value);
  const reason = `its program could not be started: ${errnoName(errno)}, ${errnoText(errno)}`;
  return { type: 'unknown', reason, at: Number(at) };
}

/** What an `exited` frame says. */
export function exitedStatus(message: ExitedMessage): ExitStatus {
  return exitStatus(message.type === 0, message.value, message.at);
}

function exitStatus(exited: boolean, value: number, at: number): ExitStatus {
  return exited ? { type: 'exited', code: value, at } : { type: 'signaled', signal: signalName(value), at };
}
