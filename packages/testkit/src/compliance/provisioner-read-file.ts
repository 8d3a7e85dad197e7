import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import type { Rootfs } from '@gantry/interface';
import type { Bench } from './provisioner-bench.js';

async function text(rootfs: Rootfs, path: string): Promise<string | undefined> {
  const bytes = await rootfs.readFile(path);
  return bytes && Buffer.from(bytes).toString('latin1');
}

/** `Rootfs.readFile`, which sees a root without it being mounted. */
export const readFileTests: ReadonlyMap<string, (bench: Bench) => Promise<void>> = new Map([
  [
    'is found as the container will find it, before and after the root is made',
    async ({ provisioner, image, layers }) => {
      const many = layers === 'many';
      for (const rootfs of [await provisioner.describe('one', image), await provisioner.provision('one', image)]) {
        assert.equal(await text(rootfs, '/etc/name'), many ? 'highest' : 'lowest');
        assert.equal(await text(rootfs, '/etc/gone'), many ? undefined : 'lowest');
        assert.equal(await text(rootfs, '/opt/tool/one'), many ? undefined : 'one');
        assert.equal(await text(rootfs, '/lib/os-release'), many ? undefined : 'NAME=x');
        assert.equal(await text(rootfs, 'usr/./lib/../lib/os-release'), 'NAME=x');
        assert.equal(await text(rootfs, '/nowhere/at/all'), undefined);
      }
    },
  ],
  [
    'is found through links, none of which leads out of the root',
    async ({ provisioner, image }) => {
      const rootfs = await provisioner.provision('one', image);
      for (const path of ['/etc/relative', '/etc/absolute', '/etc/escape', '/../../etc/passwd']) {
        assert.equal(await text(rootfs, path), 'root:x:0:0', path);
      }
      assert.equal(await text(rootfs, '/etc/host'), undefined);
      const own = await readFile('/etc/passwd', 'latin1');
      assert.notEqual(await text(rootfs, '/../../../etc/passwd'), own);
    },
  ],
  [
    'is refused where it is none, or too large',
    async ({ provisioner, image }) => {
      const rootfs = await provisioner.provision('one', image);
      for (const path of ['/', '/etc', '/srv/fifo', '/dev/null']) {
        await assert.rejects(rootfs.readFile(path), { code: 'REFUSED' }, path);
      }
      await assert.rejects(rootfs.readFile('/srv/sparse', { maxBytes: 1000 }), { code: 'LIMIT_EXCEEDED' });
      assert.equal((await rootfs.readFile('/srv/sparse'))?.byteLength, 1048576);
    },
  ],
]);
