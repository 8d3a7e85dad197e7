// Builds images in the shape of the most used ones of Docker Hub, by mmdebstrap and buildah from Debian's packages, as
// docker-archives that are kept in the cache folder; prints `name path` for each.
//   node test/hub/build.mjs [NAME...]
// As root on Debian, with network.
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { copyFile, mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { run, runOrThrow } from '../../scripts/lib/run.mjs';

const here = import.meta.dirname;
const recipes = join(here, 'images');
const cache = join(process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'gantry', 'hub');

/** Every image that there is a recipe for. */
export const names = readdirSync(recipes).sort();

/**
 * Where the archive of an image is, or will be: another recipe, another file.
 * @param {string} name
 */
export function archiveOf(name) {
  const hash = createHash('sha256');
  const files = readdirSync(join(recipes, name)).map((file) => join(recipes, name, file));
  for (const file of [join(here, 'install-packages'), ...files]) hash.update(readFileSync(file)).update('\0');
  return join(cache, `${name}-${hash.digest('hex').slice(0, 16)}.tar`);
}

/** What the image is called in its archive. @param {string} name */
export const referenceOf = (name) => `gantry.test/${name}:latest`;

/**
 * Makes the archives that are missing.
 * @param {readonly string[]} wanted
 */
export async function buildImages(wanted) {
  const missing = wanted.filter((name) => !existsSync(archiveOf(name)));
  if (missing.length === 0) return;
  await mkdir(cache, { recursive: true });
  const folder = await mkdtemp(join(tmpdir(), 'gantry-hub-'));
  try {
    const kitchen = new Kitchen(folder);
    if (missing.some((name) => name !== 'busybox')) await kitchen.debian();
    for (const name of missing.filter((name) => name !== 'debian')) await kitchen.build(name);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** A place to build in, with a storage of buildah's of its own. */
class Kitchen {
  /** @param {string} folder */
  constructor(folder) {
    this.folder = folder;
  }

  /** Has the image that the others begin with: a minimal Debian that installs packages as this machine does. */
  async debian() {
    const archive = archiveOf('debian');
    if (existsSync(archive)) {
      await this.#buildah('pull', '--quiet', `docker-archive:${archive}`);
      return;
    }
    const settings = join(this.folder, 'apt.conf');
    await writeFile(settings, (await run('apt-config', ['dump', '--no-empty', 'Acquire'])).output);
    const upload = `upload ${join(here, 'install-packages')} /usr/local/sbin/install-packages`;
    const hooks = [upload, 'chmod 755 "$1/usr/local/sbin/install-packages"'].map((hook) => `--customize-hook=${hook}`);
    const rootfs = join(await this.#context('debian'), 'rootfs.tar');
    const options = ['--quiet', '--mode=root', '--variant=minbase', `--aptopt=${settings}`, ...hooks];
    await runOrThrow('mmdebstrap', [...options, 'bookworm', rootfs]);
    await this.build('debian');
  }

  /** @param {string} name */
  async build(name) {
    if (name === 'busybox') await this.#busybox();
    await this.#bud(name);
    const archive = join(this.folder, 'archive.tar');
    await this.#buildah('push', '--quiet', referenceOf(name), `docker-archive:${archive}:${referenceOf(name)}`);
    const part = `${archiveOf(name)}.part`;
    await copyFile(archive, part);
    await rm(archive);
    await rename(part, archiveOf(name));
  }

  async #busybox() {
    const context = await this.#context('busybox');
    const rootfs = join(this.folder, 'busybox');
    await mkdir(join(rootfs, 'bin'), { recursive: true });
    await runOrThrow('cp', ['/bin/busybox', join(rootfs, 'bin/busybox')]);
    await runOrThrow('chroot', [rootfs, '/bin/busybox', '--install', '-s', '/bin']);
    await runOrThrow('tar', ['-C', rootfs, '-cf', join(context, 'rootfs.tar'), '.']);
  }

  /** A folder with the files of the recipe, and room for more. @param {string} name */
  async #context(name) {
    const context = join(this.folder, `context-${name}`);
    await runOrThrow('cp', ['-rT', join(recipes, name), context]);
    return context;
  }

  /** @param {string} name */
  async #bud(name) {
    const context = join(this.folder, `context-${name}`);
    if (!existsSync(context)) await this.#context(name);
    // Docker's format: OCI's has no health check.
    const options = ['--quiet', '--format', 'docker', '--isolation', 'chroot', '--pull-never'];
    await this.#buildah('bud', ...options, '--tag', referenceOf(name), context);
  }

  /** @param {readonly string[]} args */
  async #buildah(...args) {
    const storage = ['--root', join(this.folder, 'root'), '--runroot', join(this.folder, 'run')];
    await runOrThrow('buildah', [...storage, '--storage-driver', 'overlay', ...args], { env: { TMPDIR: this.folder } });
  }
}

if (process.argv[1] === import.meta.filename) {
  const wanted = process.argv.length > 2 ? process.argv.slice(2) : names;
  await buildImages(wanted);
  for (const name of wanted) console.log(`${name} ${archiveOf(name)}`);
}
