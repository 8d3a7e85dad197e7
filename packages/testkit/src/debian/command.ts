import { execFile } from 'node:child_process';
import { errnoOf, GantryError } from '@gantry/interface';

export interface CommandResult {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CommandOptions {
  readonly cwd?: string;
  readonly signal?: AbortSignal | undefined;
}

const maxOutputBytes = 64 * 1024 * 1024;

/** Runs one of Debian's tools and waits for its end. `UNSUPPORTED` if this machine does not have it. */
export function runCommand(
  command: string,
  args: readonly string[],
  options: CommandOptions = {},
): Promise<CommandResult> {
  const env = { ...process.env, LC_ALL: 'C' };
  return new Promise((resolve, reject) => {
    execFile(command, args, { ...options, env, maxBuffer: maxOutputBytes }, (error, stdout, stderr) => {
      if (!error) resolve({ status: 0, stdout, stderr });
      else if (typeof error.code === 'number') resolve({ status: error.code, stdout, stderr });
      else reject(commandError(command, error));
    });
  });
}

/** The error of a command that could not be started or was ended from outside. */
export function commandError(command: string, cause: Error): Error {
  if (errnoOf(cause) !== 'ENOENT') return cause;
  return new GantryError(
    'UNSUPPORTED',
    `${command} is not here: images of Debian packages are made on Debian or Ubuntu, with apt and dpkg`,
    {
      cause,
      details: { command },
    },
  );
}
