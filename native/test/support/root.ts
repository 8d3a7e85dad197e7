import { copyFileSync, existsSync, mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import type { Step } from '../../../packages/launcher/src/protocol.generated.js';
import { type LaunchOptions, stateDir } from './shim-session.js';

const busybox = '/bin/busybox';

/** Why tests that make a container's root cannot run here; undefined if they can. */
export const noRoots =
  process.getuid?.() !== 0 ? 'they need root' : !existsSync(busybox) ? 'they need busybox-static' : undefined;

export const CLONE_NEWNS = 0x00020000;
export const CLONE_NEWUTS = 0x04000000;
export const CLONE_NEWIPC = 0x08000000;
export const CLONE_NEWPID = 0x20000000;
export const CLONE_NEWNET = 0x40000000;

/** Own mounts, so that nothing of a test reaches the host. */
export const isolated: LaunchOptions = { cloneFlags: CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWUTS | CLONE_NEWIPC };

const MS_REC = 0x4000;
const MS_PRIVATE = 0x40000;
export const MS_RDONLY = 1;
export const MS_NOSUID = 2;
export const MS_NODEV = 4;
export const MS_NOEXEC = 8;
export const S_IFCHR = 0o020000;
export const S_IFIFO = 0o010000;

export const setPropagation: Step = { op: 'setPropagation', flags: MS_REC | MS_PRIVATE };

/** A folder with busybox and nothing else; `links` are the programs that it stands for. */
export function busyboxRoot(): string {
  const folder = stateDir();
  mkdirSync(join(folder, 'bin'));
  copyFileSync(busybox, join(folder, 'bin/busybox'));
  symlinkSync('busybox', join(folder, 'bin/sh'));
  return folder;
}

export interface Root {
  /** The folder that becomes the root: what an image holds. */
  readonly source: string;
  readonly target: string;
  /** Steps that mount it, and enter it. */
  readonly mount: readonly Step[];
  readonly enter: Step;
}

/** A root that is a folder of its own, to be filled with whatever an image might hold. */
export function bindRoot(source = busyboxRoot()): Root {
  const target = stateDir();
  return {
    source,
    target,
    mount: [setPropagation, { op: 'rootBind', source, target }],
    enter: { op: 'pivotRoot', path: target },
  };
}

export const mountProc: Step = {
  op: 'mount',
  type: 'proc',
  source: 'proc',
  target: '/proc',
  flags: MS_NOSUID | MS_NODEV | MS_NOEXEC,
  data: '',
};

export const mountDev: Step = {
  op: 'mount',
  type: 'tmpfs',
  source: 'tmpfs',
  target: '/dev',
  flags: MS_NOSUID,
  data: 'mode=755,size=65536k',
};

export function charDevice(path: string, major: number, minor: number): Step {
  return { op: 'device', host: '', path, type: S_IFCHR, major, minor, mode: 0o666, uid: 0, gid: 0 };
}
