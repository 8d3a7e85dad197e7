import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { errnoOf, GantryError, toGantryError } from '@gantry/interface';
import type { CgroupFiles, Cgroups } from './cgroups.js';

/**
 * Reads files of a control group. Asynchronous, as all that looks at running containers: the kernel may have to add
 * up counters of many CPUs and groups. A group that does not exist gives an empty map.
 */
export async function readFiles(cgroups: Cgroups, path: string, names: readonly string[]): Promise<CgroupFiles> {
  const contents = await Promise.all(names.map((name) => readIfThere(cgroups.file(path, name))));
  const files = new Map<string, string>();
  for (const [index, name] of names.entries()) {
    const content = contents[index];
    if (content !== undefined) files.set(name, content);
  }
  return files;
}

/** As {@link readFiles}, without the hops of threads, which take longer than the kernel does for what it only has to print. */
export function readFilesNow(cgroups: Cgroups, path: string, names: readonly string[]): CgroupFiles {
  const files = new Map<string, string>();
  for (const name of names) {
    const file = cgroups.file(path, name);
    try {
      files.set(name, readFileSync(file, 'utf8'));
    } catch (error) {
      throwUnlessGone(error, file);
    }
  }
  return files;
}

/** The content of one file, or undefined if the file or its group is not there, or goes away meanwhile. */
export async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    throwUnlessGone(error, path);
    return undefined;
  }
}

function throwUnlessGone(error: unknown, path: string): void {
  const errno = errnoOf(error);
  if (errno !== 'ENOENT' && errno !== 'ENODEV') throw toGantryError(error, `reading ${path}`);
}

/** What v1 shows for no limit is 2^63 less a page, whose size differs. */
export const unlimitedFrom = 2 ** 62;

/** A file that holds one number; undefined if absent or `max`. */
export function numberIn(files: CgroupFiles, name: string): number | undefined {
  const text = files.get(name)?.trim();
  return text === undefined || !/^\d+$/.test(text) ? undefined : Number(text);
}

/** The value after a key in a file of lines `key value`; undefined if either is absent. */
export function keyIn(files: CgroupFiles, name: string, key: string): number | undefined {
  for (const line of files.get(name)?.split('\n') ?? []) {
    const [field, value] = line.split(' ');
    if (field === key && value !== undefined) return Number(value);
  }
  return undefined;
}

/** Every number in a file of lines `key value`, by its key; undefined if the file is absent. */
export function numbersIn(files: CgroupFiles, name: string): Record<string, number> | undefined {
  const content = files.get(name);
  if (content === undefined) return undefined;
  const numbers: Record<string, number> = Object.create(null);
  for (const line of content.split('\n')) {
    const [, key, digits] = /^(\S+) (\d+)$/.exec(line) ?? [];
    if (key !== undefined) numbers[key] = Number(digits);
  }
  return numbers;
}

/** An object without the entries that are undefined. */
export function given<T extends object>(object: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>;
  };
}

/** The `NOT_FOUND` error for a container without a control group. */
export function noCgroup(id: string, path: string): GantryError {
  return new GantryError('NOT_FOUND', `container ${id} has no control group ${path}: it is not running`, {
    details: { id, path },
  });
}
