import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

/** Where programs are on most hosts, an administrator's too, whatever the PATH of the host program says. */
const usual = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin'];

/** The path of a program that this process can run, by PATH and then in the usual folders; undefined if there is none. */
export function findProgram(name: string): string | undefined {
  return [...(process.env['PATH'] ?? '').split(delimiter), ...usual]
    .filter((folder) => folder.startsWith('/'))
    .map((folder) => join(folder, name))
    .find(isExecutable);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
