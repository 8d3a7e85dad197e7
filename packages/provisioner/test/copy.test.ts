import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ProgressEvent, UnpackedImage } from '@gantry/interface';
import { addon } from '@gantry/native';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createProvisioner } from '../src/index.js';
import { isOpaque } from '../src/opaque.js';
import { makeLayer, opaque, run } from './layer-builder.js';

// Thousands of files take what they take on a busy machine.
vi.setConfig({ testTimeout: 60_000 });

let root: string;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'gantry-copy-'));
});

afterEach(async () => {
  await rm(root, { recursive: true });
});

const imageOf = (layerPaths: readonly string[]) => ({ image: { layerPaths } as unknown as UnpackedImage });

async function copyOf(layerPaths: readonly string[], options = {}): Promise<string> {
  const provisioner = createProvisioner({ root: join(root, 'provisioner'), backend: 'copy' });
  const { mount } = await provisioner.provision('one', imageOf(layerPaths), options);
  return mount.type === 'directory' ? mount.source : '';
}

/** The same numbers for the same seed (mulberry32). */
function randomNumbers(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

const nothing = Buffer.alloc(0);

/** Layers of few names, so that they meet often: files, folders, links, whiteouts and opaque folders. */
async function randomLayers(seed: number): Promise<string[]> {
  const below = randomNumbers(seed);
  const paths = Array.from({ length: 2 + below(4) }, (_, index) => join(root, `layer${index}`));
  for (const [index, path] of paths.entries()) {
    await mkdir(path);
    const layer = new (addon().RootDirectory)(path);
    for (let entry = 0; entry < 25; entry++) {
      const name = Buffer.from(Array.from({ length: 1 + below(3) }, () => 'abc'[below(3)]).join('/'));
      const seconds = 1_000_000 * (index * 100 + entry);
      const metadata = { mode: 0o400 + below(0o400), uid: below(9), gid: below(9), mtimeNanoseconds: 0, xattrs: [] };
      const entries = [
        () => layer.folder(name, { ...metadata, mtimeSeconds: seconds }),
        () => layer.file(name, Buffer.from(`${index} ${entry}`), { ...metadata, mtimeSeconds: seconds }),
        () => layer.symlink(name, Buffer.from('b/c'), { ...metadata, mtimeSeconds: seconds }),
        () => layer.whiteout(name),
        () => layer.opaque(name),
      ];
      try {
        entries[below(entries.length)]?.();
      } catch {
        // What an earlier entry put on the way: this one is left out, of this layer.
      }
    }
    layer.close();
    // Times of folders that later entries changed are whatever they are: both sides show the same.
    await writeFile(join(path, `only${index}`), nothing);
  }
  return paths;
}

const isRoot = process.getuid?.() === 0;

const listing = `find . -mindepth 1 -printf '%P %y %m %U:%G %l %T@ ' \\( -type f -exec cat {} \\; -o -true \\) -printf '\\n' | sort`;

describe.skipIf(!isRoot)('a copy of random layers (needs root: whiteouts, owners, a mount)', () => {
  it.each(Array.from({ length: 20 }, (_, seed) => seed))('is what the kernel shows of them: %i', async (seed) => {
    const layers = await randomLayers(seed);
    const merged = join(root, 'merged');
    await mkdir(merged);
    const script = `mount -t overlay none -o ro,lowerdir=${[...layers].reverse().join(':')} ${merged} && cd ${merged} && ${listing}`;
    const shown = run('unshare', ['--mount', 'sh', '-c', script]);
    expect(shown.split('\n').length).toBeGreaterThan(5);
    expect(run('sh', ['-c', `cd ${await copyOf(layers)} && ${listing}`])).toBe(shown);
  });

  it('has none of the marks of the stack that it is no longer in', async () => {
    const layer = await makeLayer(join(root, 'layer'), { opt: opaque, 'opt/file': 'x' });
    expect(isOpaque(Buffer.from(join(layer, 'opt')), false)).toBe(true);
    expect(isOpaque(Buffer.from(join(await copyOf([layer]), 'opt')), false)).toBe(false);
  });
});

describe('a copy', () => {
  it('reports how far it has come, and aborts between two pieces', async () => {
    // More than one step copies.
    const layer = await makeLayer(join(root, 'layer'), {});
    run('sh', ['-c', `cd ${layer} && seq -f %05g 1 3000 | xargs touch`]);
    const events: ProgressEvent[] = [];
    const controller = new AbortController();
    const onProgress = (event: ProgressEvent) => {
      events.push(event);
      controller.abort();
    };
    const copied = copyOf([layer], { signal: controller.signal, onProgress });
    await expect(copied).rejects.toMatchObject({ code: 'ABORTED' });
    expect(events).toHaveLength(1);
    expect(await readdir(join(root, 'provisioner', 'containers'))).toEqual([]);

    events.length = 0;
    const whole = await copyOf([layer], { onProgress: (event: ProgressEvent) => events.push(event) });
    expect(events.at(-1)).toEqual({ type: 'copying', entries: 3001, bytes: 0 });
    expect(events.length).toBeGreaterThan(1);
    expect(await readdir(whole)).toHaveLength(3000);
  });

  it('takes no more room than the holes of its files leave', async () => {
    const layer = await makeLayer(join(root, 'layer'), {});
    run('sh', [
      '-c',
      `cd ${layer} && truncate -s 1G sparse && printf x | dd of=sparse bs=1 seek=500M conv=notrunc 2>/dev/null`,
    ]);
    const { size, blocks } = await stat(join(await copyOf([layer]), 'sparse'));
    expect(size).toBe(2 ** 30);
    expect(blocks * 512).toBeLessThan(100_000);
  });

  it('says which entry could not be copied', async () => {
    const layer = await makeLayer(join(root, 'layer'), { 'etc/file': 'x' });
    const copy = new (addon().TreeCopy)([layer], join(root, 'absent'), 'trusted.overlay.opaque');
    await expect(copy.step()).rejects.toMatchObject({ code: 'ENOENT', syscall: 'open' });
    await mkdir(join(root, 'used', 'etc'), { recursive: true });
    await writeFile(join(root, 'used', 'etc', 'file'), '');
    const again = new (addon().TreeCopy)([join(layer, 'etc')], join(root, 'used', 'etc'), 'trusted.overlay.opaque');
    await expect(again.step()).rejects.toMatchObject({ code: 'EEXIST', path: 'file' });
  });
});

const missing = [
  ...(isRoot ? [] : ['root']),
  ...(existsSync('/sbin/mkfs.btrfs') || existsSync('/usr/sbin/mkfs.btrfs') ? [] : ['mkfs.btrfs of btrfs-progs']),
];

describe.skipIf(missing.length > 0)(`on btrfs (needs ${missing.join(', ') || 'nothing that is not here'})`, () => {
  it('a copy shares its blocks with the layers', async () => {
    const program = `
      import { statfsSync } from 'node:fs';
      const { create } = await import(process.argv[1]);
      const provisioner = create('root');
      const free = statfsSync('.').bfree;
      await provisioner.provision('one', { image: { layerPaths: [process.cwd() + '/layer'] } });
      const { limits } = (await provisioner.probe())[1];
      const { bfree, bsize } = statfsSync('.');
      process.stdout.write(JSON.stringify({ limits, used: (free - bfree) * bsize }));`;
    const module = new URL('compliance/copy.mjs', import.meta.url).href;
    const script = `
      cd "$1"; truncate -s 256M image; mkfs.btrfs -q image > /dev/null; mkdir mounted; mount -o loop image mounted
      cd mounted; mkdir layer; head -c 50000000 /dev/urandom > layer/file; sync
      node --input-type=module -e "$2" "$3"; sync; cmp layer/file root/containers/one/copy/file`;
    const shown = run('unshare', ['--mount', 'sh', '-euc', script, '-', root, program, module]);
    const { limits, used } = JSON.parse(shown) as Record<string, unknown>;
    expect(limits).toEqual([]);
    expect(used).toBeLessThan(5_000_000);
  });
});
