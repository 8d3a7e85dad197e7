import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import type { TarInput } from '@gantry/archive';
import { GantryError, type Image, type ImageSource, type ImportOptions } from '@gantry/interface';
import { createRegistryClient, type Transport } from '@gantry/registry-client';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { BlobStore } from '../src/blob-store.js';
import { storeFolders } from '../src/folders.js';
import { importImage } from '../src/import/import-image.js';
import { type ImportWorld, importWorld, readEntries, tar } from './import-fixtures.js';

// Flushes to disk take what they take on a busy machine.
vi.setConfig({ testTimeout: 60_000 });

let world: ImportWorld;
let web: TestWeb;
beforeEach(async () => {
  world = await importWorld();
  web = new TestWeb();
});
afterEach(() => world[Symbol.asyncDispose]());

/** The web as far as these tests go: pages by their URL, 404 for all else. */
class TestWeb implements Transport {
  readonly pages = new Map<string, string | Uint8Array>();
  readonly asked: string[] = [];

  async send({ url }: { readonly url: URL }) {
    this.asked.push(url.href);
    const page = this.pages.get(url.href);
    const bytes = page === undefined ? Buffer.alloc(0) : Buffer.from(page);
    return {
      status: page === undefined ? 404 : 200,
      headers: new Map([['content-length', String(bytes.length)]]),
      body: (async function* () {
        yield bytes;
      })(),
    };
  }
}

async function importInto(source: ImageSource, options: ImportOptions = {}): Promise<Image> {
  const folders = storeFolders(world.root);
  for (const folder of [folders.layout, folders.ingest]) await mkdir(folder, { recursive: true });
  const parts = { folders, blobs: new BlobStore(folders), registry: createRegistryClient() };
  const { image } = await importImage(source, options, { ...parts, web: { transport: web, retries: { attempts: 1 } } });
  return image;
}

interface AciOptions {
  readonly labels?: Readonly<Record<string, string>>;
  readonly app?: object;
  readonly dependencies?: readonly object[];
  readonly pathWhitelist?: readonly string[];
}

/** An ACI: its manifest, and below `rootfs` these files. appc 0.8, aci.md. */
function aci(name: string, files: Readonly<Record<string, string>>, options: AciOptions = {}): Promise<Buffer> {
  const { labels = { version: '1.0.0', os: 'linux', arch: 'amd64' }, ...rest } = options;
  const manifest = {
    acKind: 'ImageManifest',
    acVersion: '0.8.11',
    name,
    labels: Object.entries(labels).map(([label, value]) => ({ name: label, value })),
    ...rest,
  };
  const entries: TarInput[] = Object.entries(files).map(([path, body]) => ({ name: `rootfs/${path}`, body }));
  return tar([{ name: 'manifest', body: JSON.stringify(manifest) }, { name: 'rootfs', type: 'directory' }, ...entries]);
}

async function aciFile(bytes: Uint8Array): Promise<ImageSource> {
  const path = join(world.sources, 'image.aci');
  await writeFile(path, bytes);
  return { type: 'aci', path };
}

function imageId(archive: Uint8Array): string {
  return `sha512-${createHash('sha512').update(archive).digest('hex')}`;
}

/** The files that an image leaves in the root, upper layers over lower ones. */
async function rootOf(image: Image): Promise<Readonly<Record<string, string>>> {
  const blobs = new BlobStore(storeFolders(world.root));
  const files = new Map<string, string>();
  for (const { descriptor } of image.layers) {
    for (const [name, text] of await readEntries(blobs.stream(descriptor.digest))) files.set(name, text);
  }
  return Object.fromEntries([...files].filter(([name]) => !name.endsWith('/')));
}

async function manifestOf(image: Image): Promise<{ annotations: Readonly<Record<string, string>> }> {
  const bytes = await new BlobStore(storeFolders(world.root)).readDocument(image.manifest);
  return JSON.parse(Buffer.from(bytes ?? []).toString());
}

const app = { exec: ['/bin/app', '--serve'], user: '0', group: '0', workingDirectory: '/srv' };
const simple = (name: string) => `https://${name}-latest-linux-amd64.aci`;

describe('import of an ACI', () => {
  it('becomes a layer without rootfs/, with config and appc identity', async () => {
    const archive = await aci('example.com/app', { 'bin/app': 'program', 'etc/conf': 'x' }, { app });
    const image = await importInto(await aciFile(archive));
    expect(image).toMatchObject({
      reference: 'example.com/app:1.0.0',
      config: { entrypoint: ['/bin/app', '--serve'], workingDir: '/srv', platform: { architecture: 'amd64' } },
    });
    expect(await rootOf(image)).toEqual({ 'bin/app': 'program', 'etc/conf': 'x' });
    expect((await manifestOf(image)).annotations).toEqual({
      'io.appc.image.name': 'example.com/app',
      'io.appc.image.id': imageId(archive),
      'io.appc.image.label.version': '1.0.0',
      'io.appc.image.label.os': 'linux',
      'io.appc.image.label.arch': 'amd64',
    });
    expect(web.asked).toEqual([]);
  });

  it.each(['gzip', 'bzip2', 'xz'])('is the same image compressed with %s', async (program) => {
    const archive = await aci('example.com/app', { 'bin/app': 'program' }, { app });
    const plain = await importInto(await aciFile(archive));
    const packed = await importInto(await aciFile(execFileSync(program, ['-c'], { input: archive })));
    expect(packed.digest).toBe(plain.digest);
  });

  it.each<[string, readonly TarInput[], string]>([
    ['an entry beside rootfs', [{ name: 'etc/passwd', body: 'x' }], 'INVALID_ARCHIVE'],
    ['an entry that climbs out of it', [{ name: 'rootfs/../../x', body: 'x' }], 'INVALID_ARCHIVE'],
    ['a name that would hide another in a layer', [{ name: 'rootfs/.wh.passwd', body: '' }], 'INVALID_ARCHIVE'],
    ['two manifests', [{ name: './manifest', body: '{}' }], 'INVALID_ARCHIVE'],
  ])('is refused for %s', async (_, more, code) => {
    const manifest = { acKind: 'ImageManifest', acVersion: '0.8.11', name: 'example.com/app' };
    const archive = await tar([{ name: 'manifest', body: JSON.stringify(manifest) }, ...more]);
    await expect(importInto(await aciFile(archive))).rejects.toMatchObject({ code });
    expect(await world.left()).toEqual([]);
  });

  it('is refused without a manifest, with one of over 4 MiB and with one that is a link', async () => {
    const refused = async (entries: readonly TarInput[], code: string) => {
      await expect(importInto(await aciFile(await tar(entries)))).rejects.toMatchObject({ code });
    };
    await refused([{ name: 'rootfs/x', body: 'x' }], 'INVALID_ARCHIVE');
    await refused([{ name: 'manifest', body: Buffer.alloc(4 * 2 ** 20 + 1, ' ') }], 'LIMIT_EXCEEDED');
    await refused([{ name: 'manifest', type: 'symlink', linkName: '/etc/shadow' }], 'INVALID_ARCHIVE');
    expect(await world.left()).toEqual([]);
  });
});

describe('dependencies of an ACI', () => {
  it('lie below it, depth first, each once', async () => {
    const base = await aci('example.com/base', { shared: 'base', base: 'base' });
    const left = await aci(
      'example.com/left',
      { shared: 'left', left: 'left' },
      { dependencies: [{ imageName: 'example.com/base' }] },
    );
    const right = await aci(
      'example.com/right',
      { shared: 'right' },
      { dependencies: [{ imageName: 'example.com/base', imageID: imageId(base) }] },
    );
    web.pages.set(simple('example.com/base'), gzipSync(base));
    web.pages.set(simple('example.com/left'), left);
    web.pages.set(simple('example.com/right'), right);
    const dependencies = [{ imageName: 'example.com/left' }, { imageName: 'example.com/right' }];
    const image = await importInto(await aciFile(await aci('example.com/app', { app: 'app' }, { app, dependencies })));
    expect(image.layers).toHaveLength(4);
    expect(await rootOf(image)).toEqual({ shared: 'right', base: 'base', left: 'left', app: 'app' });
    expect(web.asked.filter((url) => url.includes('base'))).toHaveLength(1);
    expect(await readdir(join(world.root, 'ingest'))).toEqual([]);
  });

  it('are cut down to the path whitelist of the image above', async () => {
    web.pages.set(simple('example.com/base'), await aci('example.com/base', { 'bin/sh': 'sh', 'bin/su': 'su' }));
    const image = await importInto(
      await aciFile(
        await aci(
          'example.com/app',
          { 'bin/app': 'app', 'bin/extra': 'extra' },
          { app, dependencies: [{ imageName: 'example.com/base' }], pathWhitelist: ['/bin/app', '/bin/sh'] },
        ),
      ),
    );
    expect(await rootOf(image)).toEqual({ 'bin/sh': 'sh', 'bin/app': 'app' });
  });

  it('are refused if they lead back to the image', async () => {
    const one = await aci('example.com/one', { one: '1' }, { dependencies: [{ imageName: 'example.com/two' }] });
    const two = await aci('example.com/two', { two: '2' }, { dependencies: [{ imageName: 'example.com/one' }] });
    web.pages.set(simple('example.com/one'), one);
    web.pages.set(simple('example.com/two'), two);
    await expect(importInto(await aciFile(one))).rejects.toMatchObject({ code: 'INVALID_DOCUMENT' });
    expect(await world.left()).toEqual([]);
  });

  it('are refused if there is no end to them', async () => {
    const send = web.send.bind(web);
    let made = 0;
    vi.spyOn(web, 'send').mockImplementation(async (request) => {
      const name = `example.com/i${/\/i([0-9]+)-latest/.exec(request.url.href)?.[1] ?? 0}`;
      const next = `example.com/i${++made}`;
      web.pages.set(request.url.href, await aci(name, {}, { dependencies: [{ imageName: next }] }));
      return send(request);
    });
    const top = await aci('example.com/app', {}, { dependencies: [{ imageName: 'example.com/i0' }] });
    await expect(importInto(await aciFile(top))).rejects.toMatchObject({ code: 'LIMIT_EXCEEDED' });
    expect(made).toBeLessThanOrEqual(128);
    expect(await world.left()).toEqual([]);
  });

  it.each<[string, object, string]>([
    ['another image id', { imageID: `sha512-${'0'.repeat(128)}` }, 'DIGEST_MISMATCH'],
    ['other labels', { labels: [{ name: 'version', value: '2' }] }, 'INVALID_DOCUMENT'],
    ['fewer bytes', { size: 512 }, 'LIMIT_EXCEEDED'],
  ])('are refused if what is found has not what is asked for: %s', async (_, wanted, code) => {
    const base = await aci('example.com/base', { base: 'base' });
    web.pages.set(simple('example.com/base'), base);
    web.pages.set(simple('example.com/base').replace('latest', '2'), base);
    const dependencies = [{ imageName: 'example.com/base', ...wanted }];
    const top = await aci('example.com/app', {}, { dependencies });
    await expect(importInto(await aciFile(top))).rejects.toMatchObject({ code });
    expect(await world.left()).toEqual([]);
  });
});

describe('import of an appc image by its name', () => {
  const labels = new Map([['version', '1.0.0']]);

  it('goes by the discovery page of a parent where there is no simple URL', async () => {
    const archive = await aci('example.com/apps/one', { one: '1' }, { app });
    const template = 'https://storage.example.com/{os}/{arch}/{name}-{version}.{ext}';
    web.pages.set(
      'https://example.com/?ac-discovery=1',
      `<head><meta name="ac-discovery" content="example.com/apps ${template}"></head>`,
    );
    web.pages.set('https://storage.example.com/linux/amd64/example.com/apps/one-1.0.0.aci', archive);
    const image = await importInto({ type: 'appc', name: 'example.com/apps/one', labels });
    expect(image.reference).toBe('example.com/apps/one:1.0.0');
    expect(await rootOf(image)).toEqual({ one: '1' });
    expect(web.asked).toEqual([
      'https://example.com/apps/one-1.0.0-linux-amd64.aci',
      'https://example.com/apps/one?ac-discovery=1',
      'https://example.com/apps?ac-discovery=1',
      'https://example.com/?ac-discovery=1',
      'https://storage.example.com/linux/amd64/example.com/apps/one-1.0.0.aci',
    ]);
  });

  it('fails with NOT_FOUND where nothing is, and leaves nothing', async () => {
    await expect(importInto({ type: 'appc', name: 'example.com/none', labels })).rejects.toMatchObject({
      code: 'NOT_FOUND',
      details: { name: 'example.com/none' },
    });
    expect(await world.left()).toEqual([]);
  });

  it('follows no template to plain http', async () => {
    web.pages.set(
      'https://example.com/one?ac-discovery=1',
      '<meta name="ac-discovery" content="example.com http://example.com/{name}.{ext}">',
    );
    await expect(importInto({ type: 'appc', name: 'example.com/one', labels })).rejects.toMatchObject({
      code: 'UNSUPPORTED',
    });
    expect(web.asked.every((url) => url.startsWith('https://'))).toBe(true);
  });

  it('ends at once when it is aborted', async () => {
    const controller = new AbortController();
    vi.spyOn(web, 'send').mockImplementation(({ signal }: { signal?: AbortSignal } & object) => {
      return new Promise((_, reject) => {
        signal?.addEventListener('abort', () => reject(new GantryError('ABORTED', 'aborted')));
        controller.abort();
      });
    });
    const importing = importInto({ type: 'appc', name: 'example.com/one', labels }, { signal: controller.signal });
    await expect(importing).rejects.toMatchObject({ code: 'ABORTED' });
    expect(await world.left()).toEqual([]);
  });
});
