import { spawnSync } from 'node:child_process';
import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { addon } from '@gantry/native';

/** What a path of a layer is: a file's content, a link's target, a folder, a whiteout, or an opaque folder. */
export type Entry = string | { readonly link: string } | 'FOLDER' | 'WHITEOUT' | 'OPAQUE';

export const folder = 'FOLDER';
export const whiteout = 'WHITEOUT';
export const opaque = 'OPAQUE';

/** Makes a layer folder in overlayfs form. Whiteouts and opaque folders need root. */
export async function makeLayer(path: string, entries: Readonly<Record<string, Entry>>): Promise<string> {
  await mkdir(path, { mode: 0o755, recursive: true });
  for (const [name, entry] of Object.entries(entries)) {
    const target = join(path, name);
    await mkdir(dirname(target), { recursive: true });
    if (entry === folder) await mkdir(target, { recursive: true });
    else if (entry === whiteout) run('mknod', [target, 'c', '0', '0']);
    else if (entry === opaque) markOpaque(path, name);
    else if (typeof entry === 'object') await symlink(entry.link, target);
    else await writeFile(target, entry);
  }
  return path;
}

function markOpaque(root: string, name: string): void {
  const directory = new (addon().RootDirectory)(root);
  try {
    directory.opaque(Buffer.from(name));
  } finally {
    directory.close();
  }
}

/** Runs a program to its end; its output, or an error with what it said. */
export function run(program: string, args: readonly string[]): string {
  const { status, stdout, stderr } = spawnSync(program, args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${program} ${args.join(' ')}: ${stderr}`);
  return stdout;
}
