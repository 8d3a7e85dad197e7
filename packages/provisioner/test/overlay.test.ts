import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { UnpackedImage } from '@gantry/interface';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createProvisioner } from '../src/folder-provisioner.js';
import { LayerTree } from '../src/layer-tree.js';
import { isOpaque } from '../src/opaque.js';
import { readFileOf } from '../src/read-file.js';
import { makeLayer, opaque, run, whiteout } from './layer-builder.js';

let root: string;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'gantry-overlay-'));
});

afterEach(async () => {
  await rm(root, { recursive: true });
});

describe.skipIf(process.getuid?.() !== 0)(
  'the merged view (needs root: whiteouts, trusted attributes, a mount)',
  () => {
    it('is the one that the kernel shows', async () => {
      const layers = [
        await makeLayer(join(root, '1'), {
          'etc/passwd': 'lowest',
          'etc/group': 'lowest',
          'etc/hosts': 'lowest',
          'opt/tool/one': 'lowest',
          'opt/other/one': 'lowest',
          'srv/a/b/c': 'lowest',
        }),
        await makeLayer(join(root, '2'), {
          'etc/passwd': 'middle',
          'etc/group': whiteout,
          'opt/tool': opaque,
          'opt/tool/two': 'middle',
          'opt/other': whiteout,
          'srv/a': whiteout,
        }),
        await makeLayer(join(root, '3'), {
          'etc/hosts': 'top',
          'opt/tool/three': 'top',
          'opt/other/two': 'top',
          'srv/a/b/d': 'top',
        }),
      ];
      const paths = [
        'etc/passwd',
        'etc/group',
        'etc/hosts',
        'opt/tool/one',
        'opt/tool/two',
        'opt/tool/three',
        'opt/other/one',
        'opt/other/two',
        'srv/a/b/c',
        'srv/a/b/d',
      ];
      const merged = await makeLayer(join(root, 'merged'), {});
      const script = `mount -t overlay none -o ro,lowerdir=${[...layers].reverse().join(':')} ${merged} && cd ${merged} &&
      for path in ${paths.join(' ')}; do echo "$path $(cat $path 2>/dev/null)"; done`;
      const shown = run('unshare', ['--mount', '--propagation', 'private', 'sh', '-c', script]);

      const found = await Promise.all(
        paths.map(async (path) => {
          const bytes = await readFileOf(new LayerTree(layers, (folder) => isOpaque(folder, false)), path, 100);
          return `${path} ${Buffer.from(bytes ?? []).toString()}\n`;
        }),
      );
      expect(found.join('')).toBe(shown);
      expect(shown).toContain('opt/tool/one \n');
      expect(shown).toContain('etc/passwd middle\n');
    });

    it('leaves out what lies below a layer whose root is opaque, which overlayfs would show', async () => {
      const lowest = await makeLayer(join(root, '1'), { 'etc/passwd': 'hidden' });
      const middle = await makeLayer(join(root, '2'), { '': opaque, 'etc/group': 'shown' });
      const top = await makeLayer(join(root, '3'), { 'etc/hosts': 'shown' });
      const { mount, readFile } = await createProvisioner({ root: join(root, 'p') }).describe('c', {
        image: { layerPaths: [lowest, middle, top] } as unknown as UnpackedImage,
      });
      expect(mount).toMatchObject({ type: 'overlay', lower: [middle, top] });
      expect(await readFile('/etc/passwd')).toBeUndefined();
      expect(await readFile('/etc/group')).toEqual(Buffer.from('shown'));
    });
  },
);
