import { unsupported } from './refusal.js';

type Flag =
  | 'ro'
  | 'nosuid'
  | 'nodev'
  | 'noexec'
  | 'noatime'
  | 'relatime'
  | 'strictatime'
  | 'nodiratime'
  | 'nosymfollow'
  | 'sync'
  | 'dirsync'
  | 'silent'
  | 'lazytime';

/** `MS_*` of mount(2). */
const mountFlags: Readonly<Record<Flag, number>> = {
  ro: 0x1,
  nosuid: 0x2,
  nodev: 0x4,
  noexec: 0x8,
  sync: 0x10,
  dirsync: 0x80,
  nosymfollow: 0x100,
  noatime: 0x400,
  nodiratime: 0x800,
  silent: 0x8000,
  relatime: 0x200000,
  strictatime: 0x1000000,
  lazytime: 0x2000000,
};

/** `MOUNT_ATTR_*` of mount_setattr(2); flags that belong to a file system rather than a mount have none. */
const mountAttributes: Readonly<Partial<Record<Flag, number>>> = {
  ro: 0x1,
  nosuid: 0x2,
  nodev: 0x4,
  noexec: 0x8,
  noatime: 0x10,
  strictatime: 0x20,
  nodiratime: 0x80,
  nosymfollow: 0x200000,
};

/** Options that take a flag back; the last of two opposites wins, as in mount(8). */
const opposites: ReadonlyMap<string, Flag> = new Map([
  ['rw', 'ro'],
  ['suid', 'nosuid'],
  ['dev', 'nodev'],
  ['exec', 'noexec'],
  ['atime', 'noatime'],
  ['norelatime', 'relatime'],
  ['nostrictatime', 'strictatime'],
  ['diratime', 'nodiratime'],
  ['symfollow', 'nosymfollow'],
  ['async', 'sync'],
  ['loud', 'silent'],
  ['nolazytime', 'lazytime'],
]);

const accessTimes: readonly Flag[] = ['noatime', 'relatime', 'strictatime'];

/** The specification's recursive spellings: for all that is mounted below a bind, too. */
const recursiveSpelling =
  /^r(ro|rw|suid|nosuid|dev|nodev|exec|noexec|atime|noatime|relatime|norelatime|strictatime|nostrictatime|diratime|nodiratime|symfollow|nosymfollow)$/;

/** What every mount is anyway. */
const defaults: ReadonlySet<string> = new Set(['defaults', 'nomand', 'noiversion', '']);

/** Words of the specification that no step carries out. As data they would reach a file system, which may ignore them. */
const refused: ReadonlySet<string> = new Set([
  'unbindable',
  'runbindable',
  'remount',
  'move',
  'mand',
  'iversion',
  'tmpcopyup',
]);

export type Propagation = 'private' | 'slave' | 'shared';

/** The options of one mount, sorted by who acts on them. */
export interface MountOptions {
  readonly bind: boolean;
  /** `rbind`. */
  readonly recursive: boolean;
  readonly flags: ReadonlySet<Flag>;
  /** Of all that is mounted below, too. */
  readonly recursiveFlags: ReadonlySet<Flag>;
  readonly propagation?: Propagation;
  /** Of the mount alone, or of all that is mounted below, too. */
  readonly idmap?: 'idmap' | 'ridmap';
  /** What is no flag: for the file system. */
  readonly data: readonly string[];
}

/** Sorts the options of a mount. `UNSUPPORTED` for one that cannot be carried out; `field` names the list. */
export function parseMountOptions(options: readonly string[], field: string): MountOptions {
  const flags = new Set<Flag>();
  const recursiveFlags = new Set<Flag>();
  const data: string[] = [];
  let bind = false;
  let recursive = false;
  let propagation: Propagation | undefined;
  let idmap: MountOptions['idmap'];
  for (const option of options) {
    const isRecursive = recursiveSpelling.test(option);
    const name = isRecursive ? option.slice(1) : option;
    const opposite = opposites.get(name);
    if (name === 'bind' || name === 'rbind') {
      bind = true;
      recursive ||= name === 'rbind';
    } else if (propagations.has(name)) propagation = propagations.get(name);
    else if (name === 'idmap' || name === 'ridmap') idmap = name;
    else if (refused.has(name)) throw unsupported(field, `the mount option ${name} is not supported`);
    else if (isFlag(name)) {
      addFlag(flags, name);
      if (isRecursive) addFlag(recursiveFlags, name);
    } else if (opposite) {
      flags.delete(opposite);
      recursiveFlags.delete(opposite);
    } else if (!defaults.has(name)) data.push(name);
  }
  return {
    bind,
    recursive,
    flags,
    recursiveFlags,
    data,
    ...(propagation ? { propagation } : {}),
    ...(idmap ? { idmap } : {}),
  };
}

const propagations: ReadonlyMap<string, Propagation> = new Map([
  ['private', 'private'],
  ['rprivate', 'private'],
  ['slave', 'slave'],
  ['rslave', 'slave'],
  ['shared', 'shared'],
  ['rshared', 'shared'],
]);

/** The flags as `MS_*` bits. */
export function toMountFlags(flags: ReadonlySet<Flag>): number {
  let bits = 0;
  for (const flag of flags) bits |= mountFlags[flag];
  return bits;
}

/** The flags as `MOUNT_ATTR_*` bits. `UNSUPPORTED` for one that only a file system of its own can have. */
export function toMountAttributes(flags: ReadonlySet<Flag>, field: string): number {
  let bits = 0;
  for (const flag of flags) {
    const bit = mountAttributes[flag];
    if (bit === undefined) throw unsupported(field, `the mount option ${flag} is not supported on a bind mount`);
    bits |= bit;
  }
  return bits;
}

function addFlag(flags: Set<Flag>, flag: Flag): void {
  if (accessTimes.includes(flag)) for (const other of accessTimes) flags.delete(other);
  flags.add(flag);
}

function isFlag(name: string): name is Flag {
  return Object.hasOwn(mountFlags, name);
}
