import { copyFileSync, mkdirSync, readdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { createContainerizer } from '@gantry/containerizer';
import type { Containerizer } from '@gantry/interface';
import { createProvisioner } from '@gantry/provisioner';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { requires } from '../support/requires.js';
import { type TemporaryFolder, temporaryFolder } from '../support/temporary-folder.js';
import { readOutput } from './host.js';

requires({ root: true, commands: ['busybox'], packages: ['busybox-static'] })('a root that is bound read-only', () => {
  let folder: TemporaryFolder;
  let containerizer: Containerizer;
  let rootfs: string;
  beforeEach(async () => {
    folder = await temporaryFolder();
    rootfs = join(folder.path, 'rootfs');
    mkdirSync(join(rootfs, 'bin'), { recursive: true });
    copyFileSync('/bin/busybox', join(rootfs, 'bin', 'busybox'));
    symlinkSync('busybox', join(rootfs, 'bin', 'sh'));
    containerizer = await createContainerizer({
      root: join(folder.path, 'root'),
      stateRoot: join(folder.path, 'state'),
      provisioner: createProvisioner({ root: join(folder.path, 'provisioner'), backend: 'bind' }),
    });
  });
  afterEach(async () => {
    for await (const { id } of containerizer.containers()) await containerizer.destroy(id);
    await containerizer[Symbol.asyncDispose]();
    await folder[Symbol.asyncDispose]();
  });

  const command = ['/bin/sh', '-c', 'busybox echo x > /file || busybox echo x > /dev/shm/file && busybox ls /dev/shm'];

  it('is not written to; what is mounted in it is', async () => {
    for (const name of ['dev', 'proc', 'sys']) mkdirSync(join(rootfs, name));
    const { id } = await containerizer.launch({ rootfs, command });
    await containerizer.wait(id);
    const { stdout, stderr } = await readOutput(containerizer, id);
    expect(stderr).toContain('Read-only file system');
    expect(stdout).toBe('file\n');
    expect(readdirSync(rootfs).sort()).toEqual(['bin', 'dev', 'proc', 'sys']);
  });

  it('is left alone also where it lacks a mount point', async () => {
    await expect(containerizer.launch({ rootfs, command })).rejects.toMatchObject({
      code: 'LAUNCH_FAILED',
      details: { errno: 'EROFS' },
    });
    expect(readdirSync(rootfs)).toEqual(['bin']);
  });
});
