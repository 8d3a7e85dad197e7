import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { createContainerizer } from '@gantry/containerizer';
import type { Containerizer, ImageStore, Provisioner } from '@gantry/interface';
import { createProvisioner } from '@gantry/provisioner';
import { createRegistryClient } from '@gantry/registry-client';
import { createImageStore } from '@gantry/store';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { requires } from '../support/requires.js';
import { readOutput, startHost, type TestHost } from './host.js';

/** What the topmost layer has, what each has, what the lowest and one between have, and what one between hides. */
const script = 'cat /top; echo; echo /f* | wc -w; ls /f1 /opt/*; test ! -e /gone && echo hidden';

/** What the script writes if so many layers lie on the image's own. */
const shown = (added: number) => `${added}\n${added}\n/f1\n/opt/250\nhidden\n`;

requires({ root: true })('an image of many layers', () => {
  let host: TestHost;
  let containerizer: Containerizer | undefined;
  beforeAll(async () => {
    host = await startHost();
    // Its input is a socket, which it might take for that of a remote shell's, and read its start-up file.
    const args = ['--norc', '-euc', makeLayers, '-', join(host.root, 'stack')];
    const made = spawnSync('bash', args, { encoding: 'utf8' });
    expect(made.stderr).toBe('');
  });
  afterEach(async () => {
    for await (const { id } of containerizer?.containers() ?? []) await containerizer?.destroy(id);
    await containerizer?.[Symbol.asyncDispose]();
  });
  afterAll(async () => {
    await host[Symbol.asyncDispose]();
  });

  const layer = (index: number) => join(host.root, 'stack', String(index));

  /** Runs the script in a container whose image has so many layers, its own among them. */
  async function run(total: number, provisioner?: Provisioner): Promise<{ added: number; output: string }> {
    let added = 0;
    const stack = (own: readonly string[]) => {
      added = total - own.length;
      return [...own, ...Array.from({ length: added }, (_, index) => layer(index + 1))];
    };
    const store = createImageStore({ root: join(host.root, 'store'), registry: createRegistryClient() });
    containerizer = await createContainerizer({
      root: join(host.root, 'many'),
      stateRoot: `${host.stateRoot}-many`,
      store: withLayers(store, stack),
      ...(provisioner ? { provisioner } : {}),
    });
    const { id } = await containerizer.launch({ image: host.image, command: ['/bin/sh', '-c', script] });
    await containerizer.wait(id);
    const { stdout, stderr } = await readOutput(containerizer, id);
    return { added, output: stdout + stderr };
  }

  const overlay = () => createProvisioner({ root: join(host.root, 'overlay'), backend: 'overlay' });

  it('is stacked by the kernel, 500 of them', async () => {
    const { added, output } = await run(500, overlay());
    expect(output).toBe(shown(added));
  });

  it('is copied where there are more than the kernel stacks', async () => {
    const { added, output } = await run(501);
    expect(output).toBe(shown(added));
  });

  it('is refused where only the overlay will do, which says what would', async () => {
    await expect(run(501, overlay())).rejects.toMatchObject({
      code: 'REFUSED',
      message: expect.stringContaining('use the copy backend'),
      details: { backend: 'overlay', layers: 501, limit: 500 },
    });
  });

  it('leaves no complaint of an unknown option in the log of the kernel', () => {
    expect(spawnSync('dmesg', { encoding: 'utf8' }).stdout).not.toMatch(/unrecognized mount option/);
  });
});

/** Each has a file of its own and one that all have; some hide or replace what those below have. */
const makeLayers = `
for i in $(seq 1 499); do
  mkdir -p "$1/$i"
  echo -n $i > "$1/$i/top"
  echo > "$1/$i/f$i"
done
mkdir "$1/100/opt"; echo > "$1/100/opt/100"
mkdir "$1/200/opt"; echo > "$1/200/opt/200"
mknod "$1/249/opt" c 0 0
mkdir "$1/250/opt"; echo > "$1/250/opt/250"
echo > "$1/1/gone"
mknod "$1/400/gone" c 0 0`;

/** The store as it is, but that images have other layers. */
function withLayers(store: ImageStore, stack: (own: readonly string[]) => readonly string[]): ImageStore {
  const unpack: ImageStore['unpack'] = async (image, options) => {
    const unpacked = await store.unpack(image, options);
    return { ...unpacked, layerPaths: stack(unpacked.layerPaths) };
  };
  return new Proxy(store, {
    get(target, key) {
      if (key === 'unpack') return unpack;
      const value: unknown = Reflect.get(target, key);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}
