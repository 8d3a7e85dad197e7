import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { addon } from '@gantry/native';

export type LoopType = 'xfs' | 'ext4';

/** A file system of its own in a file, mounted with project quotas. */
export interface LoopFilesystem extends Disposable {
  /** Where it is mounted. */
  readonly path: string;
}

/** The least that mkfs.xfs(8) takes; the file is sparse. */
const size = 320 * 2 ** 20;

const makers: Readonly<Record<LoopType, readonly string[]>> = {
  xfs: ['mkfs.xfs', '-q'],
  ext4: ['mkfs.ext4', '-q', '-O', 'quota,project', '-E', 'quotatype=prjquota'],
};

/** Makes and mounts one. Throws where the kernel, or a program, is not able to. */
export function loopFilesystem(type: LoopType): LoopFilesystem {
  const folder = mkdtempSync(join(tmpdir(), 'gantry-loop-'));
  // Who has no right to the folder may come through it to what is his in the file system.
  chmodSync(folder, 0o711);
  const image = join(folder, 'image');
  const path = join(folder, 'mounted');
  try {
    // Where it is a module, mount(8) does not ask for it.
    if (!existsSync('/dev/loop-control')) run('modprobe', 'loop');
    writeFileSync(image, '');
    truncateSync(image, size);
    mkdirSync(path);
    const [maker = '', ...options] = makers[type];
    run(maker, ...options, image);
    run('mount', '-t', type, '-o', 'loop,prjquota', image, path);
  } catch (error) {
    rmSync(folder, { recursive: true, force: true });
    throw error;
  }
  return {
    path,
    [Symbol.dispose]() {
      run('umount', path);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Why this kernel has no project quotas of a type of file system; undefined if it has. */
export function whyNoQuota(type: LoopType): string | undefined {
  try {
    using filesystem = loopFilesystem(type);
    const { enforced } = addon().projectQuotaState(filesystem.path);
    return enforced ? undefined : `needs a kernel that enforces project quotas of ${type}: see test/machine`;
  } catch (error) {
    return `needs a kernel with project quotas of ${type}, as that of test/machine: ${(error as Error).message.trim().split('\n').at(-1)}`;
  }
}

function run(command: string, ...args: string[]): void {
  execFileSync(command, args, { stdio: ['ignore', 'ignore', 'pipe'] });
}
