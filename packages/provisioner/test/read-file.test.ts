import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FolderTree } from '../src/folder-tree.js';
import { LayerTree } from '../src/layer-tree.js';
import { readFileOf } from '../src/read-file.js';
import type { Tree } from '../src/tree.js';
import { type Entry, folder, makeLayer, run } from './layer-builder.js';

let root: string;

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'gantry-read-'));
});

afterEach(async () => {
  await rm(root, { recursive: true });
});

const maxBytes = 1000;
const never = () => false;

async function read(tree: Tree, path: string): Promise<string | undefined> {
  const bytes = await readFileOf(tree, path, maxBytes);
  return bytes && Buffer.from(bytes).toString();
}

const entries: Readonly<Record<string, Entry>> = {
  'etc/passwd': 'root:x:0:0',
  'etc/absolute': { link: '/etc/passwd' },
  'etc/relative': { link: '../etc/./passwd' },
  'etc/escape': { link: '../../../../etc/passwd' },
  'etc/dangling': { link: '/nowhere' },
  'etc/loop': { link: 'loop' },
  'etc/host': { link: '/proc/self/root/etc/hostname' },
  lib: { link: 'usr/lib' },
  'usr/lib/os-release': 'NAME=x',
  'usr/empty': folder,
  large: 'x'.repeat(maxBytes + 1),
  exact: 'x'.repeat(maxBytes),
};

describe.each([
  ['a folder', async () => new FolderTree(await makeLayer(join(root, 'a'), entries))],
  ['a layer', async () => new LayerTree([await makeLayer(join(root, 'a'), entries)], never)],
])('a file of %s', (_, makeTree) => {
  it.each([
    ['/etc/passwd', 'root:x:0:0'],
    ['etc//./passwd', 'root:x:0:0'],
    ['/../../etc/passwd', 'root:x:0:0'],
    ['/usr/empty/../../etc/passwd', 'root:x:0:0'],
    ['/etc/absolute', 'root:x:0:0'],
    ['/etc/relative', 'root:x:0:0'],
    ['/etc/escape', 'root:x:0:0'],
    ['/lib/os-release', 'NAME=x'],
    ['/lib/../lib/os-release', 'NAME=x'],
    ['/exact', 'x'.repeat(maxBytes)],
    ['/etc/dangling', undefined],
    ['/etc/host', undefined],
    ['/etc/passwd/x', undefined],
    ['/nowhere/x', undefined],
    [`/${'n'.repeat(300)}`, undefined],
  ])('%s is found as a container would find it', async (path, content) => {
    expect(await read(await makeTree(), path)).toBe(content);
  });

  it.each(['/', '/etc', '/etc/loop'])('%s is refused', async (path) => {
    await expect(read(await makeTree(), path)).rejects.toMatchObject({ code: 'REFUSED', details: { path } });
  });

  it('over the limit is refused', async () => {
    await expect(read(await makeTree(), '/large')).rejects.toMatchObject({ code: 'LIMIT_EXCEEDED' });
  });

  it('that is a FIFO is refused without waiting for a writer', async () => {
    const tree = await makeTree();
    run('mkfifo', [join(root, 'a', 'fifo')]);
    await expect(read(tree, '/fifo')).rejects.toMatchObject({ code: 'REFUSED' });
  });

  it('is found under a name that is not UTF-8', async () => {
    const tree = await makeTree();
    run('sh', ['-c', `cd ${root}/a && printf found > "$(printf 'n\\377')" && ln -s "$(printf 'n\\377')" alias`]);
    expect(await read(tree, '/alias')).toBe('found');
  });
});

describe('a file of several layers', () => {
  it('is the topmost one, and folders merge', async () => {
    const lower = await makeLayer(join(root, 'a'), { 'etc/passwd': 'old', 'etc/group': 'group', 'bin/sh': 'sh' });
    const upper = await makeLayer(join(root, 'b'), { 'etc/passwd': 'new', bin: 'a file now' });
    const tree = new LayerTree([lower, upper], never);
    expect(await read(tree, '/etc/passwd')).toBe('new');
    expect(await read(tree, '/etc/group')).toBe('group');
    expect(await read(tree, '/bin')).toBe('a file now');
    expect(await read(tree, '/bin/sh')).toBeUndefined();
  });

  it('is hidden when something between is no folder', async () => {
    const lowest = await makeLayer(join(root, 'a'), { 'etc/passwd': 'old' });
    const middle = await makeLayer(join(root, 'b'), { etc: { link: 'elsewhere' } });
    const top = await makeLayer(join(root, 'c'), { 'etc/group': 'group' });
    const tree = new LayerTree([lowest, middle, top], never);
    expect(await read(tree, '/etc/passwd')).toBeUndefined();
    expect(await read(tree, '/etc/group')).toBe('group');
  });
});
