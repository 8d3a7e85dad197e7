import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** A file as a disk with ext4 on it, mounted; all gone when it is disposed. */
export class LoopDisk implements AsyncDisposable {
  static async attach(bytes: number): Promise<LoopDisk> {
    const folder = mkdtempSync(join(tmpdir(), 'gantry-disk-'));
    const file = join(folder, 'file');
    writeFileSync(file, '');
    truncateSync(file, bytes);
    await run('mkfs.ext4', ['-q', '-F', file]);
    // Where it is a module, losetup(8) does not ask for it.
    if (!existsSync('/dev/loop-control')) await run('modprobe', ['loop']);
    const { stdout } = await run('losetup', ['--find', '--show', file]);
    const disk = new LoopDisk(folder, stdout.trim());
    await run('mkdir', [disk.mount]);
    await run('mount', [disk.device, disk.mount]);
    return disk;
  }

  private constructor(
    readonly folder: string,
    readonly device: string,
  ) {}

  get mount(): string {
    return join(this.folder, 'mount');
  }

  /** `7:0`. */
  get numbers(): string {
    const { rdev } = statSync(this.device);
    return `${(rdev >> 8) & 0xfff}:${rdev & 0xff}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await run('umount', [this.mount]);
    await run('losetup', ['--detach', this.device]);
    rmSync(this.folder, { recursive: true });
  }
}
