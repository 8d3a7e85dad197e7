import { execFileSync } from 'node:child_process';
import { closeSync, constants, openSync } from 'node:fs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { LoopDisk } from '../isolators/loop-disk.js';
import { startHost, type TestHost } from '../launch/host.js';
import { requires } from '../support/requires.js';

requires({ root: true, commands: ['losetup', 'mkfs.ext4', 'mount'], packages: ['mount', 'e2fsprogs'] })(
  'a container that was waited for',
  () => {
    let host: TestHost;
    let disk: LoopDisk;
    beforeAll(async () => {
      host = await startHost();
      disk = await LoopDisk.attach(256 * 2 ** 20);
    });
    afterAll(async () => {
      await disk[Symbol.asyncDispose]();
      await host[Symbol.asyncDispose]();
    });

    it('has nothing mounted any more, though its disk took long to be written out', async () => {
      const { id } = await host.containerizer.launch({
        image: host.image,
        command: ['/bin/sh', '-c', 'read _; exec dd if=/dev/zero of=/data/file bs=1M count=128'],
        stdin: true,
        mounts: [{ type: 'bind', source: disk.mount, target: '/data' }],
      });
      // From here on the container alone has the disk mounted.
      execFileSync('umount', ['--lazy', disk.mount]);
      expect(() => openAlone(disk.device)).toThrow(/EBUSY/);
      {
        await using attachment = await host.containerizer.attach(id, { stdin: true });
        attachment.stdin?.end('go\n');
        expect(await host.containerizer.wait(id)).toMatchObject({ exit: { type: 'exited', code: 0 } });
      }
      openAlone(disk.device);
      execFileSync('mount', [disk.device, disk.mount]);
    });
  },
);

/** Fails as long as the disk is mounted anywhere. */
function openAlone(device: string): void {
  closeSync(openSync(device, constants.O_RDONLY | constants.O_EXCL));
}
