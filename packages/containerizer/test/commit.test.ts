import { spawnSync } from 'node:child_process';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { decodeJson } from '@gantry/image-spec';
import type { CommitOptions, Image, ImageStore, Provisioner, Rootfs, UnpackedImage } from '@gantry/interface';
import { createProvisioner } from '@gantry/provisioner';
import { createRegistryClient } from '@gantry/registry-client';
import { createImageStore } from '@gantry/store';
import { type BuildOptions, buildImage } from '@gantry/testkit';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { commitContainer } from '../src/commit.js';

const base = 'localhost/base:1';
const committed = 'localhost/committed:1';

const layers: BuildOptions['layers'] = [
  [
    { path: 'etc/kept', type: 'file', content: 'base' },
    { path: 'etc/changed', type: 'file', content: 'base' },
    { path: 'etc/removed', type: 'file', content: 'base' },
    { path: 'opt/tool/old', type: 'file', content: 'base' },
  ],
];

let folder: string;
let store: ImageStore;
let provisioner: Provisioner;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'gantry-commit-test-'));
  store = createImageStore({ root: join(folder, 'store'), registry: createRegistryClient() });
  provisioner = createProvisioner({ root: join(folder, 'provisioner'), backend: 'overlay' });
});

afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

async function importBase(options: Partial<BuildOptions> = {}): Promise<UnpackedImage> {
  const config = { Cmd: ['/bin/server'], Env: ['A=1', 'B=2'], Labels: { of: 'base' } };
  await using image = await buildImage({ layers, config, ...options });
  const path = join(folder, 'layout');
  await image.writeLayout(path, 'base');
  return store.unpack(await store.import({ type: 'oci-layout', path }, { as: base }));
}

/** What a container would do, in its root. */
function change({ path, mount }: Rootfs, script: string): void {
  if (mount.type !== 'overlay') throw new Error('not an overlay');
  const lower = [...mount.lower].reverse().join(':');
  const options = `lowerdir=${lower},upperdir=${mount.upper},workdir=${mount.work}`;
  const inside = 'mount -t overlay -o "$1" overlay "$2" && cd "$2" && eval "$3"';
  const args = ['--mount', 'sh', '-euc', inside, '-', options, path, script];
  const { status, stderr } = spawnSync('unshare', args, { encoding: 'utf8' });
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
}

const changes = `
  printf new > etc/changed; rm etc/removed; printf added > etc/added; ln etc/added etc/twin
  rm -r opt/tool; mkdir opt/tool; printf new > opt/tool/new; chown 7:8 etc/added; chmod 4755 etc/added`;

async function commit(image: Image, options: Partial<CommitOptions> = {}) {
  return commitContainer({ store, provisioner }, { id: 'one', digest: image.digest }, { as: committed, ...options });
}

async function text(rootfs: Rootfs, path: string): Promise<string | undefined> {
  const bytes = await rootfs.readFile(path);
  return bytes && Buffer.from(bytes).toString();
}

async function document(image: Image): Promise<Record<string, unknown>> {
  const pieces: Uint8Array[] = [];
  for await (const piece of store.readBlob(image.configDescriptor.digest)) pieces.push(piece);
  return decodeJson(Buffer.concat(pieces)) as Record<string, unknown>;
}

const isRoot = process.getuid?.() === 0;

describe.skipIf(!isRoot)('an image made of a container (needs root: mounts, owners)', () => {
  it('has what the container had: its layers and what it added, changed and removed', async () => {
    const image = await importBase();
    change(await provisioner.provision('one', { image }), changes);
    const made = await store.unpack(await commit(image));
    expect(made.layers.slice(0, -1)).toEqual(image.layers);
    const rootfs = await provisioner.provision('two', { image: made });
    const paths = ['etc/kept', 'etc/changed', 'etc/removed', 'etc/added', 'etc/twin', 'opt/tool/old', 'opt/tool/new'];
    expect(await Promise.all(paths.map((path) => text(rootfs, path)))).toEqual([
      'base',
      'new',
      undefined,
      'added',
      'added',
      undefined,
      'new',
    ]);
    const metadata = `test "$(stat -c '%u:%g %a %h' etc/added)" = '7:8 4755 2'; test "$(stat -c %i etc/added)" = "$(stat -c %i etc/twin)"`;
    change(rootfs, metadata);
  });

  it('runs as the image it came from, but for what is asked', async () => {
    const image = await importBase();
    await provisioner.provision('one', { image });
    const made = await commit(image, {
      config: { cmd: ['/bin/other'], user: '7', labels: new Map([['of', 'commit']]) },
      author: 'somebody',
      comment: 'why',
    });
    expect(made.reference).toBe(committed);
    expect(made.config).toMatchObject({ cmd: ['/bin/other'], user: '7', env: ['A=1', 'B=2'] });
    expect(made.config.labels).toEqual(new Map([['of', 'commit']]));
    const { history, author } = await document(made);
    expect(author).toBe('somebody');
    expect(history).toHaveLength(2);
    expect(history).toMatchObject([{}, { author: 'somebody', comment: 'why', created_by: 'commit of container one' }]);
  });

  it.each(['oci', 'docker'] as const)('is of the format of the image it came from: %s', async (format) => {
    const image = await importBase({ format });
    await provisioner.provision('one', { image });
    const made = await commit(image);
    expect(made.manifest.mediaType).toBe(image.manifest.mediaType);
    expect(made.layers.map(({ descriptor }) => descriptor.mediaType)).toEqual([
      image.layers[0]?.descriptor.mediaType,
      image.layers[0]?.descriptor.mediaType,
    ]);
  });

  it('can itself be the image of a container that is committed', async () => {
    const image = await importBase();
    change(await provisioner.provision('one', { image }), 'printf 1 > etc/one');
    const first = await store.unpack(await commit(image));
    await provisioner.destroy('one');
    change(await provisioner.provision('one', { image: first }), 'printf 2 > etc/two');
    const second = await store.unpack(await commit(first));
    const rootfs = await provisioner.describe('three', { image: second });
    expect([await text(rootfs, 'etc/one'), await text(rootfs, 'etc/two')]).toEqual(['1', '2']);
    expect(second.layers).toHaveLength(3);
  });

  it('is not made of a root that tells no changes, of none, or for a reference that is none', async () => {
    const image = await importBase();
    await expect(commit(image)).rejects.toMatchObject({ code: 'NOT_FOUND' });
    await provisioner.provision('one', { image });
    await expect(commit(image, { as: 'NO REFERENCE' })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    await expect(commit(image, { config: { env: ['no value'] } })).rejects.toMatchObject({ code: 'INVALID_DOCUMENT' });
    await provisioner.destroy('one');
    await createProvisioner({ root: join(folder, 'provisioner'), backend: 'copy' }).provision('one', { image });
    await expect(commit(image)).rejects.toMatchObject({ code: 'UNSUPPORTED' });
    expect(await store.get(committed)).toBeUndefined();
  });

  it('leaves nothing when it is aborted', async () => {
    const image = await importBase();
    change(await provisioner.provision('one', { image }), 'head -c 30000000 /dev/urandom > etc/large');
    const controller = new AbortController();
    const workFolder = await mkdtemp(join(folder, 'work-'));
    const made = commit(image, { signal: controller.signal, workFolder });
    while ((await readdir(workFolder)).length === 0) await new Promise(setImmediate);
    controller.abort();
    await expect(made).rejects.toMatchObject({ code: 'ABORTED' });
    expect(await readdir(workFolder)).toEqual([]);
    expect(await store.get(committed)).toBeUndefined();
  });
});
