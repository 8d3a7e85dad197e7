import { chmodSync, existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join, posix } from 'node:path';
import type { ContainerSpec, OciMount, PrepareContext } from '@gantry/interface';
import { replaceFile } from '../durable.js';

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

/** Every machine under its own name, to itself. */
export const localhostText = '127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n';

/** Users of the container other than root read them, too. */
const readable = 0o644;

/** Writes a file in its place, as mounts hold the file and not its name. */
export function writeNameService(folder: string, file: NameServiceFile, text: string): void {
  const path = join(folder, file);
  writeFileSync(path, text);
  // Whatever the umask of the host program.
  chmodSync(path, readable);
}

/** What /etc/hosts says in containers that have no files of their own: the same for all, so that no launch has to write it. */
export class LocalHosts {
  readonly #folder: string;
  #written = false;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** The mount; none over a root that lacks the file and to which nothing may be added. */
  async mounts({ spec, rootfs }: PrepareContext): Promise<readonly OciMount[]> {
    const { mount } = rootfs;
    if (mount.type === 'directory' && (await rootfs.readFile('/etc/hosts')) === undefined) return [];
    return fileMounts(this.#folder, spec, ['hosts']);
  }

  /** Whether this host program has seen to the file. */
  get written(): boolean {
    return this.#written;
  }

  write(): void {
    if (this.#written) return;
    mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
    const path = join(this.#folder, 'hosts');
    // Another host program may be doing the same: it appears whole.
    if (!existsSync(path)) replaceFile(path, localhostText, readable);
    this.#written = true;
  }
}
