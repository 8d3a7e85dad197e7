import { chmod, mkdir, mkdtemp, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Provisioner, RootfsSource } from '@gantry/interface';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createProvisioner } from '../src/index.js';
import { run } from './layer-builder.js';

// Flushes to disk take what they take on a busy machine.
vi.setConfig({ testTimeout: 60_000 });

let root: string;
let provisioner: Provisioner;
let umask: number;

beforeEach(async () => {
  // The strictest that a host program may run under.
  umask = process.umask(0o077);
  root = await mkdtemp(join(tmpdir(), 'gantry-provisioner-'));
  provisioner = createProvisioner({ root, backend: 'overlay' });
});

afterEach(async () => {
  process.umask(umask);
  await rm(root, { recursive: true, force: true });
});

function imageOf(layerPaths: readonly string[]): RootfsSource {
  const digest = `sha256:${'0'.repeat(64)}` as const;
  const descriptor = { mediaType: 'application/json', digest, size: 0 };
  const config = {
    platform: { os: 'linux', architecture: 'amd64' },
    user: '',
    entrypoint: [],
    cmd: [],
    env: [],
    workingDir: '',
    stopSignal: '',
    exposedPorts: [],
    volumes: [],
    labels: new Map<string, string>(),
  };
  const image = { reference: 'localhost/x:1', digest, manifest: descriptor, configDescriptor: descriptor, config };
  return { image: { ...image, layers: [], layerPaths } };
}

async function layer(mode = 0o755): Promise<string> {
  const path = join(root, `layer-${mode.toString(8)}`);
  await mkdir(path);
  await chmod(path, mode);
  return path;
}

async function ids(): Promise<string[]> {
  const all: string[] = [];
  for await (const id of provisioner.list()) all.push(id);
  return all.sort();
}

const modeOf = async (path: string) => ((await stat(path)).mode & 0o7777).toString(8);

describe('provision', () => {
  it('makes the folders of an overlay mount and describes it as promised before', async () => {
    const source = imageOf([await layer()]);
    const described = await provisioner.describe('one', source);
    expect(await ids()).toEqual([]);
    const { path, mount } = await provisioner.provision('one', source);
    expect({ path, mount }).toEqual({ path: described.path, mount: described.mount });
    if (mount.type !== 'overlay') throw new Error('not an overlay');
    expect(mount.lower).toEqual([join(root, 'layer-755')]);
    expect(await Promise.all([path, mount.upper, mount.work].map(async (name) => readdir(name)))).toEqual([[], [], []]);
    expect(await modeOf(mount.upper)).toBe('755');
    expect(await modeOf(join(root, 'containers'))).toBe('700');
    expect(await ids()).toEqual(['one']);
  });

  it('gives the root the mode of the topmost layer', async () => {
    const { mount } = await provisioner.provision('one', imageOf([await layer(), await layer(0o1777)]));
    expect(mount.type === 'overlay' && (await modeOf(mount.upper))).toBe('1777');
  });

  it('gives an image without layers an empty root', async () => {
    const { mount, readFile } = await provisioner.provision('one', imageOf([]));
    expect(mount.type === 'overlay' && (await readdir(mount.lower[0] ?? ''))).toEqual([]);
    expect(await readFile('/etc/passwd')).toBeUndefined();
  });

  it('refuses a second root for the same container and leaves the first alone', async () => {
    const source = imageOf([await layer()]);
    const { path } = await provisioner.provision('one', source);
    await expect(provisioner.provision('one', source)).rejects.toMatchObject({ code: 'ALREADY_EXISTS' });
    expect(await readdir(path)).toEqual([]);
  });

  it('leaves nothing where it fails or is aborted', async () => {
    const missing = provisioner.provision('one', imageOf([join(root, 'no-such-layer')]));
    await expect(missing).rejects.toMatchObject({ code: 'SYSTEM', details: { errno: 'ENOENT' } });
    const controller = new AbortController();
    const aborted = provisioner.provision('two', imageOf([await layer()]), { signal: controller.signal });
    controller.abort();
    await expect(aborted).rejects.toMatchObject({ code: 'ABORTED' });
    expect(await ids()).toEqual([]);
  });

  it.each(['', '.', '..', 'a/b', '../x', 'x\0', '-x', 'a'.repeat(65), 'x~1'])('refuses the id %j', async (id) => {
    const refused = expect.objectContaining({ code: 'INVALID_ARGUMENT', details: { field: 'id' } });
    await expect(provisioner.provision(id, imageOf([]))).rejects.toEqual(refused);
    await expect(provisioner.destroy(id)).rejects.toEqual(refused);
    expect(await readdir(root)).toEqual([]);
  });
});

describe('a directory as root', () => {
  it('is described and not touched', async () => {
    const directory = await layer();
    await writeFile(join(directory, 'file'), 'content');
    const { path, mount, readFile } = await provisioner.provision('one', { directory });
    expect(mount).toEqual({ type: 'directory', source: directory });
    expect(await readdir(path)).toEqual([]);
    expect(Buffer.from((await readFile('file')) ?? []).toString()).toBe('content');
    await provisioner.destroy('one');
    expect(await readdir(directory)).toEqual(['file']);
  });

  it('must be a folder with an absolute path', async () => {
    const file = join(root, 'file');
    await writeFile(file, '');
    for (const directory of [file, join(root, 'absent'), 'relative']) {
      const refused = provisioner.provision('one', { directory });
      await expect(refused).rejects.toMatchObject({ code: 'REFUSED', details: { path: directory } });
    }
    expect(await ids()).toEqual([]);
  });
});

describe('destroy', () => {
  it('removes everything, twice without harm, and needs no memory of provision', async () => {
    const { mount } = await provisioner.provision('one', imageOf([await layer()]));
    if (mount.type !== 'overlay') throw new Error('not an overlay');
    await mkdir(join(mount.work, 'work'), { mode: 0o000 });
    await writeFile(Buffer.from(`${mount.upper}/not utf-8 \xff`, 'latin1'), '');
    const other = createProvisioner({ root });
    expect(await other.destroy('one')).toBe(true);
    expect(await other.destroy('one')).toBe(false);
    expect(await readdir(join(root, 'containers'))).toEqual([]);
    expect(await readdir(join(root, 'trash'))).toEqual([]);
  });

  it('removes folders nested deeper than any path reaches', async () => {
    const { mount } = await provisioner.provision('one', imageOf([await layer()]));
    if (mount.type !== 'overlay') throw new Error('not an overlay');
    const nest = `import os
os.chdir(${JSON.stringify(mount.upper)})
for _ in range(120):
    os.mkdir('d' * 200)
    os.chdir('d' * 200)
open('file', 'w').close()`;
    run('python3', ['-c', nest]);
    expect(await provisioner.destroy('one')).toBe(true);
    expect(await readdir(join(root, 'trash'))).toEqual([]);
  });

  it('finishes what a killed process had begun', async () => {
    await provisioner.provision('one', imageOf([await layer()]));
    await mkdir(join(root, 'trash'));
    await rename(join(root, 'containers', 'one'), join(root, 'trash', 'one~0123456789abcdef'));
    expect(await ids()).toEqual(['one']);
    await provisioner.provision('one', imageOf([]));
    expect(await ids()).toEqual(['one']);
    expect(await provisioner.destroy('one')).toBe(true);
    expect(await ids()).toEqual([]);
    expect(await readdir(join(root, 'trash'))).toEqual([]);
  });
});
