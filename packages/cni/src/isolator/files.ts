import { writeFileSync } from 'node:fs';
import { join, posix } from 'node:path';
import type { ContainerSpec, OciMount } from '@gantry/interface';

/** A container's files, in its folder on the host and in the container. */
const files = ['hosts', 'resolv.conf', 'hostname'] as const;
export type NameServiceFile = (typeof files)[number];

const options = ['bind', 'rprivate', 'nosuid', 'noexec', 'nodev', 'ro'];

/** Read-only binds of the files in a folder, but where the spec mounts something itself. */
export function fileMounts(
  folder: string,
  spec: ContainerSpec,
  which: readonly NameServiceFile[] = files,
): readonly OciMount[] {
  const taken = new Set((spec.mounts ?? []).map(({ target }) => posix.join('/', target, '.')));
  if (taken.has('/etc')) return [];
  return which
    .map((file) => ({ destination: `/etc/${file}`, type: 'bind', source: join(folder, file), options }))
    .filter(({ destination }) => !taken.has(destination));
}

/** Writes a file in its place, as mounts hold the file and not its name. */
export function writeNameService(folder: string, file: NameServiceFile, text: string): void {
  writeFileSync(join(folder, file), text, { mode: 0o644 });
}
