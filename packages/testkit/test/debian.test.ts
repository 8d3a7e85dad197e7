import { execFile } from 'node:child_process';
import { existsSync, type Stats } from 'node:fs';
import { lstat, mkdtemp, readdir, readFile, readlink, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { parseImageConfig } from '@gantry/image-spec';
import { isGantryError } from '@gantry/interface';
import { afterEach, beforeEach, describe, expect, it, type TestContext, vi } from 'vitest';
import { type BuiltImage, buildImage, busyboxImage, debianLayer, redisImage } from '../src/index.js';

const run = promisify(execFile);
const isRoot = process.getuid?.() === 0;

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'gantry-debian-'));
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(folder, { recursive: true });
});

/** Skips where this machine has no apt, or no archive can be reached: the message then says what to do. */
async function orSkip<T>(context: TestContext, made: Promise<T>): Promise<T> {
  return made.catch((error: unknown) => {
    if (isGantryError(error, 'UNSUPPORTED')) return context.skip(error.message);
    throw error;
  });
}

/** Unpacks all layers into the folder with GNU tar. */
async function unpack(image: BuiltImage): Promise<string> {
  const layout = join(folder, 'layout');
  const root = join(folder, 'root');
  await image.writeLayout(layout);
  await run('mkdir', [root]);
  for (const { descriptor } of image.layers) {
    const blob = join(layout, 'blobs', descriptor.digest.replace(':', '/'));
    await run('tar', ['-C', root, '--delay-directory-restore', '-xzpf', blob, ...(isRoot ? [] : ['--no-same-owner'])]);
  }
  return root;
}

async function configOf(image: BuiltImage): Promise<unknown> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of image.read(image.config)) chunks.push(chunk);
  return parseImageConfig(Buffer.concat(chunks)).config;
}

const bits = ({ mode }: Stats) => mode & 0o7777;

describe('a layer of Debian packages', { timeout: 120_000 }, () => {
  it('holds the packages and what they need, at their merged places, without documentation', async (context) => {
    const layer = await orSkip(
      context,
      debianLayer({ packages: ['dash'], exclude: ['debianutils', 'dpkg', 'debconf'], users: [{ name: 'me', uid: 7 }] }),
    );
    expect(layer.packages.map(({ name }) => name)).toEqual(expect.arrayContaining(['dash', 'libc6', 'libgcc-s1']));
    expect(layer.packages.map(({ name }) => name)).not.toContain('dpkg');
    await using image = await buildImage({ layers: [layer] });
    const root = await unpack(image);
    expect(await readlink(join(root, 'bin'))).toBe('usr/bin');
    expect(await readlink(join(root, 'lib64'))).toBe('usr/lib64');
    expect((await lstat(join(root, 'usr/bin/dash'))).isFile()).toBe(true);
    expect(bits(await lstat(join(root, 'tmp')))).toBe(0o1777);
    expect(existsSync(join(root, 'usr/share/doc'))).toBe(false);
    expect(await readFile(join(root, 'etc/passwd'), 'utf8')).toContain('me:x:7:7::/nonexistent:/usr/sbin/nologin\n');
    if (isRoot) expect((await run('chroot', [root, '/bin/sh', '-c', 'echo $((6 * 7))'])).stdout).toBe('42\n');
  });

  it('has every path once, and a folder before what is in it', async (context) => {
    const layer = await orSkip(context, debianLayer({ packages: ['libc6', 'libcap-ng0'] }));
    await using image = await buildImage({ layers: [layer] });
    await image.writeLayout(folder);
    const blob = join(folder, 'blobs', image.layers[0]?.descriptor.digest.replace(':', '/') ?? '');
    const paths = (await run('tar', ['-tzf', blob])).stdout
      .trimEnd()
      .split('\n')
      .map((path) => path.replace(/\/$/, ''));
    expect(new Set(paths).size).toBe(paths.length);
    const orphans = paths.filter(
      (path, index) => path.includes('/') && !paths.slice(0, index).includes(join(path, '..')),
    );
    expect(orphans).toEqual([]);
  });

  it('says which package nobody knows, and what to do', async (context) => {
    const refused = debianLayer({ packages: ['no-such-package-anywhere'] });
    const error = await refused.catch((reason: unknown) => reason);
    if (isGantryError(error) && 'stderr' in error.details) context.skip(error.message);
    expect(error).toMatchObject({
      code: 'UNSUPPORTED',
      message: expect.stringMatching(/no-such-package-anywhere.*apt-get update/),
    });
  });

  it('is unsupported, with a reason, where there is no apt', async () => {
    vi.stubEnv('PATH', folder);
    await expect(debianLayer({ packages: ['dash'] })).rejects.toMatchObject({
      code: 'UNSUPPORTED',
      message: expect.stringContaining('Debian'),
      details: { command: 'apt-cache' },
    });
  });
});

describe('ready-made images', { timeout: 120_000 }, () => {
  it('busybox has a shell, links to applets that exist, and users', async (context) => {
    const root = await unpack(await orSkip(context, busyboxImage()));
    const { stdout } = await run(join(root, 'usr/bin/busybox'), ['--list']);
    const links = (await readdir(join(root, 'usr/bin'))).filter((name) => name !== 'busybox');
    expect(stdout.split('\n')).toEqual(expect.arrayContaining(links));
    expect(links).toEqual(expect.arrayContaining(['sh', 'cat', 'sleep', 'true']));
    expect(await readFile(join(root, 'etc/passwd'), 'utf8')).toMatch(/^guest:x:1000:1000::\/home\/guest:\/bin\/sh$/m);
    if (isRoot) expect((await lstat(join(root, 'home/guest'))).uid).toBe(1000);
  });

  it('are taken from the cache the second time, and differ with their options', async (context) => {
    const first = await orSkip(context, busyboxImage());
    // Nothing of apt or dpkg is there to be asked.
    vi.stubEnv('PATH', folder);
    const again = await busyboxImage();
    vi.unstubAllEnvs();
    expect(again.manifest).toEqual(first.manifest);
    await again[Symbol.asyncDispose]();
    const other = await busyboxImage({ config: { User: 'guest' }, format: 'docker' });
    expect(other.layers.map(({ diffId }) => diffId)).toEqual(first.layers.map(({ diffId }) => diffId));
    expect(await configOf(other)).toMatchObject({ user: 'guest', cmd: ['sh'] });
    expect(await configOf(first)).toMatchObject({ user: '', cmd: ['sh'] });
  });

  it('redis wants to run as its namesake does', async (context) => {
    const image = await orSkip(context, redisImage());
    expect(await configOf(image)).toMatchObject({
      entrypoint: ['docker-entrypoint.sh'],
      cmd: ['redis-server'],
      workingDir: '/data',
      exposedPorts: ['6379/tcp'],
      volumes: ['/data'],
      user: '',
      stopSignal: '',
      env: [expect.stringMatching(/^PATH=\/usr\/local\/sbin:/), expect.stringMatching(/^REDIS_VERSION=\d+\.\d+\.\d+$/)],
    });
  });

  it.skipIf(!isRoot)('redis starts as user redis and answers (needs root: chroot)', async (context) => {
    const image = await orSkip(context, redisImage());
    const root = await unpack(image);
    await run('mknod', ['-m', '666', join(root, 'dev/null'), 'c', '1', '3']);
    const script = `
      cd /data
      docker-entrypoint.sh --port 0 --unixsocket /tmp/socket >/dev/null & pid=$!
      trap 'kill $pid 2>/dev/null' EXIT
      until redis-cli -s /tmp/socket ping >/dev/null 2>&1; do sleep 0.05; done
      redis-cli -s /tmp/socket set key value
      redis-cli -s /tmp/socket get key
      redis-cli -s /tmp/socket shutdown save
      wait $pid
      stat -c %U:%G dump.rdb`;
    const { stdout } = await run('chroot', [root, '/bin/sh', '-c', script], {
      env: { PATH: '/usr/local/bin:/usr/sbin:/usr/bin:/bin' },
      timeout: 30_000,
    });
    expect(stdout.trim().split('\n')).toEqual(['OK', 'value', 'redis:redis']);
  });
});
