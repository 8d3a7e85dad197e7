import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Bench, idsOf } from './provisioner-bench.js';
import { inRoot } from './root-view.js';

const many = Array.from({ length: 24 }, (_, index) => `c-${index}`);

/** `describe`, `provision`, `list`, `destroy`. */
export const lifeCycleTests: ReadonlyMap<string, (bench: Bench) => Promise<void>> = new Map([
  [
    'begins as it was described, and describing makes nothing',
    async ({ provisioner, image, ids }) => {
      const described = await provisioner.describe('one', image);
      assert.deepEqual(await ids(), []);
      assert.equal(await provisioner.destroy('one'), false);
      const { path, mount } = await provisioner.provision('one', image);
      assert.deepEqual({ path, mount }, { path: described.path, mount: described.mount });
      assert.deepEqual(await ids(), ['one']);
    },
  ],
  [
    'ends with destroy, which is idempotent and needs no memory of provision',
    async ({ provisioner, image, again, leftovers, ids }) => {
      await provisioner.provision('first', image);
      await provisioner.destroy('first');
      const empty = await leftovers();
      await provisioner.provision('one', image);
      const other = await again();
      assert.deepEqual(await idsOf(other), ['one']);
      assert.equal(await other.destroy('one'), true);
      assert.equal(await other.destroy('one'), false);
      assert.equal(await provisioner.destroy('one'), false);
      assert.deepEqual(await ids(), []);
      assert.deepEqual(await leftovers(), empty);
    },
  ],
  [
    'is not made twice, and an attempt leaves the first alone',
    async ({ provisioner, image, writable }) => {
      const rootfs = await provisioner.provision('one', image);
      if (writable) await inRoot(rootfs, 'printf kept > new');
      await assert.rejects(provisioner.provision('one', image), { code: 'ALREADY_EXISTS' });
      if (writable) assert.equal(await inRoot(rootfs, 'cat new'), 'kept');
    },
  ],
  [
    'may be one of many that are made and removed at once',
    async ({ provisioner, image, ids, leftovers }) => {
      await provisioner.provision('first', image);
      await provisioner.destroy('first');
      const empty = await leftovers();
      const roots = await Promise.all(many.map((id) => provisioner.provision(id, image)));
      assert.equal(new Set(roots.map(({ path }) => path)).size, many.length);
      assert.deepEqual(await ids(), [...many].sort());
      assert.deepEqual(
        await Promise.all(many.map((id) => provisioner.destroy(id))),
        many.map(() => true),
      );
      assert.deepEqual(await ids(), []);
      assert.deepEqual(await leftovers(), empty);
    },
  ],
  [
    'may be a folder of the host, which destroy leaves alone',
    async ({ provisioner, folder }) => {
      const directory = join(folder, 'host');
      await mkdir(directory);
      await writeFile(join(directory, 'file'), 'content');
      const rootfs = await provisioner.provision('one', { directory });
      assert.equal(rootfs.mount.type === 'directory' && rootfs.mount.source, directory);
      assert.equal(Buffer.from((await rootfs.readFile('/file')) ?? []).toString(), 'content');
      assert.equal(await inRoot(rootfs, 'cat file'), 'content');
      await provisioner.destroy('one');
      assert.equal(await inRoot(await provisioner.provision('two', { directory }), 'cat file'), 'content');
      await assert.rejects(provisioner.provision('three', { directory: 'relative' }), { code: 'REFUSED' });
    },
  ],
]);
