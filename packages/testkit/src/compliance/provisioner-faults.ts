import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { type Bench, idsOf } from './provisioner-bench.js';
import { inRoot } from './root-view.js';
import { sampleImage } from './sample-layers.js';

/** At how many moments of its work a process is killed. */
const kills = 12;

/** A process that makes one root; it writes a line when it begins and one when it has ended. */
const program = `
  const [module, root, id, image] = process.argv.slice(1);
  const { create } = await import(module);
  const provisioner = await create(root);
  const source = { image: JSON.parse(image) };
  await new Promise((resolve) => process.stdout.write('begun\\n', resolve));
  await provisioner.provision(id, source);
  process.stdout.write('ended\\n');`;

/** Bad input, aborted calls, killed processes. */
export const faultTests: ReadonlyMap<string, (bench: Bench) => Promise<void>> = new Map([
  [
    'with an id that could be no file name is refused, and nothing is made',
    async ({ provisioner, image, leftovers }) => {
      for (const id of ['', '.', '..', 'a/b', '../x', 'x\0', 'a'.repeat(300)]) {
        await assert.rejects(provisioner.provision(id, image), { code: 'INVALID_ARGUMENT' }, id);
        await assert.rejects(provisioner.destroy(id), { code: 'INVALID_ARGUMENT' }, id);
      }
      assert.deepEqual(await leftovers(), []);
    },
  ],
  [
    'that cannot be made leaves nothing',
    async ({ provisioner, image, layerPaths, folder, ids }) => {
      const broken = { image: sampleImage([join(folder, 'absent'), ...layerPaths.slice(1)]) };
      await assert.rejects(provisioner.provision('one', broken).then((rootfs) => inRoot(rootfs, 'ls')));
      await provisioner.destroy('one');
      assert.deepEqual(await ids(), []);
      await provisioner.provision('one', image);
    },
  ],
  [
    'that is aborted leaves nothing, whenever that is',
    async ({ provisioner, image, ids }) => {
      await assert.rejects(provisioner.provision('one', image, { signal: AbortSignal.abort() }), { code: 'ABORTED' });
      assert.deepEqual(await ids(), []);
      for (let turns = 1; turns <= 8; turns++) {
        const controller = new AbortController();
        const provisioned = provisioner.provision('one', image, { signal: controller.signal }).then(
          () => true,
          (error: unknown) => assert.equal((error as { code?: unknown }).code, 'ABORTED'),
        );
        for (let turn = 0; turn < turns; turn++) await new Promise(setImmediate);
        controller.abort();
        const isMade = await provisioned;
        assert.deepEqual(await ids(), isMade ? ['one'] : []);
        await provisioner.destroy('one');
      }
    },
  ],
  [
    'of a process that is killed while it makes it can be destroyed by another, and made again',
    async (bench) => {
      const { provisioner, image, again, leftovers } = bench;
      await provisioner.provision('one', image);
      await provisioner.destroy('one');
      const empty = await leftovers();
      const whole = await timeToEnd(bench);
      for (let kill = 0; kill < kills; kill++) {
        await killAfter(bench, (whole * kill) / (kills - 1));
        const later = await again();
        const listed = await idsOf(later);
        assert.ok(listed.length === 0 || listed[0] === 'one', String(listed));
        assert.equal(await later.destroy('one'), listed.length > 0);
        assert.deepEqual(await idsOf(later), []);
        assert.deepEqual(await leftovers(), empty);
      }
      await inRoot(await provisioner.provision('one', image), 'cat etc/passwd');
    },
  ],
]);

function start({ module, root, image }: Bench) {
  const args = ['--input-type=module', '-e', program, module, root, 'one', JSON.stringify(image.image)];
  return spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
}

/** Milliseconds from the beginning to the end of one undisturbed process's work. */
async function timeToEnd(bench: Bench): Promise<number> {
  const child = start(bench);
  const exit = once(child, 'exit');
  await once(child.stdout, 'data');
  const begun = performance.now();
  assert.deepEqual(await exit, [0, null]);
  await bench.provisioner.destroy('one');
  return performance.now() - begun;
}

async function killAfter(bench: Bench, milliseconds: number): Promise<void> {
  const child = start(bench);
  const exit = once(child, 'exit');
  await once(child.stdout, 'data');
  await new Promise((resolve) => setTimeout(resolve, milliseconds));
  child.kill('SIGKILL');
  await exit;
}
