import { accessSync, constants, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { describe } from 'vitest';

export interface Requirements {
  readonly root?: boolean;
  /** Programs in PATH, or absolute paths. */
  readonly commands?: readonly string[];
  /** Debian's packages that bring the commands, where their names differ. */
  readonly packages?: readonly string[];
  /** What else is missing, in words for people. */
  readonly reasons?: readonly string[];
}

type Suite = (name: string, tests: () => void) => void;

/** `describe`, or one that skips and says in its name what is missing and how to get it. */
export function requires(requirements: Requirements): Suite {
  const missing = whatIsMissing(requirements);
  if (missing.length === 0) return (name, tests) => describe(name, tests);
  return (name, tests) => describe.skip(`${name} (skipped: ${missing.join('; ')})`, tests);
}

/** In words for people; empty if all is there. */
export function whatIsMissing({ root = false, commands = [], packages = [], reasons = [] }: Requirements): string[] {
  const absent = commands.filter((command) => !isInPath(command));
  const remedy = `apt-get install ${(packages.length > 0 ? packages : absent).join(' ')}`;
  return [
    ...(root && process.getuid?.() !== 0 ? ['needs root: run it with sudo'] : []),
    ...(absent.length > 0 ? [`needs ${absent.join(', ')}: ${remedy}`] : []),
    ...reasons,
  ];
}

function isInPath(command: string): boolean {
  if (command.startsWith('/')) return isExecutable(command);
  // Where a user's PATH leaves out the administrator's programs, they are there all the same.
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/sbin'];
  return folders.some((folder) => folder !== '' && isExecutable(join(folder, command)));
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}
