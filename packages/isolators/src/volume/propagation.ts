import { readFile, realpath } from 'node:fs/promises';
import type { BindMount } from '@gantry/interface';
import { refused } from '../errors.js';

/** Of a mount: whether others are its peers, and whether it receives what is mounted elsewhere. See proc(5), mountinfo. */
export interface MountPropagation {
  readonly path: string;
  /** Of the file system. */
  readonly type: string;
  readonly shared: boolean;
  readonly slave: boolean;
}

/** `REFUSED` unless the source of a `bind` lies on a mount that has something to propagate. */
export async function checkPropagation(
  mount: Pick<BindMount, 'source' | 'propagation'> & { readonly field: string },
): Promise<void> {
  const path = await realpath(mount.source).catch(() => mount.source);
  const found = mountOf(path, await readFile('/proc/self/mountinfo', 'utf8'));
  if (found?.shared || (mount.propagation === 'rslave' && found?.slave)) return;
  throw refused(
    'volume/host_path',
    `${mount.field}: ${mount.propagation} needs a source on a shared mount, and ${found?.path ?? path} is private`,
    `mount --make-rshared ${found?.path ?? path}, or ask for private`,
    { details: { field: `${mount.field}.propagation`, path } },
  );
}

/** The mount on which a path, without links, lies: the last one made of those that are highest up on the way to it. */
export function mountOf(path: string, mountinfo: string): MountPropagation | undefined {
  let found: MountPropagation | undefined;
  for (const line of mountinfo.split('\n')) {
    const fields = line.split(' ');
    const point = unescaped(fields[4] ?? '');
    const lies = point !== '' && (point === '/' || path === point || path.startsWith(`${point}/`));
    if (!lies || (found && point.length < found.path.length)) continue;
    const optional = fields.slice(6, fields.indexOf('-'));
    found = {
      path: point,
      type: fields[fields.indexOf('-') + 1] ?? '',
      shared: optional.some((field) => field.startsWith('shared:')),
      slave: optional.some((field) => field.startsWith('master:')),
    };
  }
  return found;
}

/** Spaces, tabs, line ends and backslashes are written as three octal digits. */
function unescaped(path: string): string {
  return path.replaceAll(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
}
