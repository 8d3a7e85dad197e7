import {
  chownSync,
  close,
  lstatSync,
  mkdirSync,
  readdirSync,
  rmdirSync,
  statfsSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { type BackendAbility, type BackendName, errnoOf } from '@gantry/interface';
import { addon } from '@gantry/native';
import { isOpaque, opaqueAttribute } from './opaque.js';
import { maxOverlayLayers } from './overlay-backend.js';

/**
 * Tries a backend in an empty folder, once, as little as tells: a mount that is attached nowhere and ends with its
 * descriptor, or a copy of a few entries. Reading version numbers and file system types would only be a guess: kernels
 * are patched, and what counts is what the folder's file system does. All but the mount itself is done in place: it is
 * a dozen calls that the kernel answers from memory, and a launch waits for them.
 */
export type Trial = (folder: string, userxattr: boolean) => Promise<BackendAbility>;

export const trials: Readonly<Record<BackendName, Trial>> = {
  overlay: (folder, userxattr) => tried('overlay', folder, () => tryOverlay(folder, userxattr)),
  copy: (folder, userxattr) => tried('copy', folder, () => tryCopy(folder, userxattr)),
  bind: (folder) => tried('bind', folder, () => tryBind(folder)),
};

/** Why something does not work; thrown by trials alone. */
class Unable extends Error {}

/** Errors that say nothing of what the host can do: the same trial may succeed a moment later. */
const passing = new Set(['EAGAIN', 'EBUSY', 'EDQUOT', 'EINTR', 'EMFILE', 'ENFILE', 'ENOMEM', 'ENOSPC']);

async function tried(
  backend: BackendName,
  folder: string,
  trial: () => Promise<readonly string[]>,
): Promise<BackendAbility> {
  try {
    return { backend, works: true, limits: await trial() };
  } catch (error) {
    const errno = errnoOf(error);
    if (error instanceof Unable) return { backend, works: false, reason: error.message, limits: [] };
    if (errno === undefined || passing.has(errno)) throw error;
    return { backend, works: false, reason: reasonFor(error, errno, folder), limits: [] };
  }
}

/** A container that removes a file and replaces a folder needs whiteouts, opaque folders and entry types in listings. */
async function tryOverlay(folder: string, userxattr: boolean): Promise<readonly string[]> {
  const [lower, upper, work] = ['lower', 'upper', 'work'].map((name) => join(folder, name)) as [string, string, string];
  for (const path of [lower, join(lower, 'folder'), upper, work]) mkdirSync(path);
  writeFileSync(join(lower, 'file'), '');
  writeFileSync(join(lower, 'folder', 'file'), '');
  await withMount(addon().detachedOverlay(lower, upper, work, userxattr), (merged) => {
    unlinkSync(join(merged, 'file'));
    unlinkSync(join(merged, 'folder', 'file'));
    rmdirSync(join(merged, 'folder'));
    mkdirSync(join(merged, 'folder'));
    const hidden = lstatSync(join(upper, 'file'), { bigint: true });
    if (!hidden.isCharacterDevice() || hidden.rdev !== 0n || readdirSync(merged).includes('file')) {
      throw new Unable(`${fileSystemOf(folder)} does not keep whiteouts: ${useAnother}`);
    }
    if (!isOpaque(Buffer.from(join(upper, 'folder')), userxattr)) {
      throw new Unable(`${fileSystemOf(folder)} does not keep ${opaqueAttribute(userxattr)}: ${useAnother}`);
    }
  });
  return [`images of at most ${maxOverlayLayers} layers`];
}

async function tryCopy(folder: string, userxattr: boolean): Promise<readonly string[]> {
  const [from, to] = [join(folder, 'from'), join(folder, 'to')];
  mkdirSync(from);
  mkdirSync(to);
  writeFileSync(join(from, 'file'), Buffer.alloc(4096, 1));
  const copy = new (addon().TreeCopy)([from], to, opaqueAttribute(userxattr));
  let progress = await copy.step();
  while (!progress.done) progress = await copy.step();
  const limits: string[] = [];
  if (progress.cloned === 0) {
    limits.push(`every byte is copied: ${fileSystemOf(folder)} shares no blocks between files, as btrfs and xfs do`);
  }
  if (!succeeds(() => chownSync(join(to, 'file'), 1, 1))) {
    limits.push('only files of users that are mapped in this user namespace can be copied');
  }
  if (!succeeds(() => makeDevice(to))) {
    limits.push('images with device nodes are refused: making them needs root outside any user namespace');
  }
  return limits;
}

async function tryBind(folder: string): Promise<readonly string[]> {
  await withMount(addon().detachedReadonlyBind(folder), (bound) => {
    if (succeeds(() => writeFileSync(join(bound, 'file'), ''))) {
      throw new Unable('a read-only mount can be written to');
    }
  });
  return ['images of one layer only', 'containers cannot write to their root'];
}

/** Calls `use` with a path below which the mount can be reached, and ends the mount. */
async function withMount(mounted: Promise<number>, use: (path: string) => void): Promise<void> {
  const descriptor = await mounted;
  try {
    use(`/proc/self/fd/${descriptor}`);
  } finally {
    // In a thread: taking down a mount waits for other processors.
    await promisify(close)(descriptor);
  }
}

function makeDevice(folder: string): void {
  const directory = new (addon().RootDirectory)(folder);
  try {
    const metadata = { mode: 0o600, uid: 0, gid: 0, mtimeSeconds: 0, mtimeNanoseconds: 0, xattrs: [] };
    directory.device(Buffer.from('device'), 'character', 1, 3, metadata);
  } finally {
    directory.close();
  }
}

/** False for what this host or file system refuses; anything else that goes wrong is thrown. */
function succeeds(work: () => void): boolean {
  try {
    work();
    return true;
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === undefined || passing.has(errno)) throw error;
    return false;
  }
}

const useAnother = 'put it on ext4, xfs, btrfs or tmpfs, or use the copy backend';

function reasonFor(error: unknown, errno: string, folder: string): string {
  const { syscall = '', message } = error as NodeJS.ErrnoException;
  if (syscall === 'fsopen' && errno === 'ENODEV')
    return 'the kernel has no overlayfs: load its module (modprobe overlay)';
  if (errno === 'ENOSYS') return `the kernel has no ${syscall}: Linux 5.12 or later is needed`;
  if (errno === 'EPERM' && ['fsopen', 'open_tree'].includes(syscall)) {
    return (
      'mounting needs CAP_SYS_ADMIN in the user namespace that the mount namespace belongs to: ' +
      'run as root, or make a mount namespace together with the user namespace (unshare --user --map-root-user --mount)'
    );
  }
  if (errno === 'EPERM' && syscall === 'fsmount') {
    return 'this kernel lets no user namespace mount an overlay: Linux 5.11 or later is needed';
  }
  return `${fileSystemOf(folder)} cannot hold it (${message}): ${useAnother}`;
}

/** Those on which people run into trouble. linux/magic.h. */
const typeNames: ReadonlyMap<number, string> = new Map([
  [0x794c7630, 'overlay'],
  [0x6969, 'nfs'],
  [0x01021997, '9p'],
  [0x858458f6, 'ramfs'],
  [0x65735546, 'fuse'],
  [0xef53, 'ext4'],
  [0x01021994, 'tmpfs'],
  [0x58465342, 'xfs'],
]);

function fileSystemOf(folder: string): string {
  const { type } = statfsSync(folder);
  const name = typeNames.get(type) ?? `type 0x${type.toString(16)}`;
  return `the file system of ${dirname(folder)} (${name})`;
}
