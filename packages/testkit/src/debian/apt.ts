import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { GantryError, isGantryError } from '@gantry/interface';
import { cacheFolder } from '../cache-folder.js';
import type { PackageSource } from './closure.js';
import { runCommand } from './command.js';
import { type PackageRecord, parseRecords } from './package-record.js';

/** What is installed on this machine must not count: an image has to hold everything. */
const blind = ['-o', 'Dir::State::status=/dev/null', '-o', 'APT::Sandbox::User=root'];

/** This machine's apt, with one folder of package lists; needs no root. */
export class Apt implements PackageSource {
  readonly lists: string;
  readonly #cache: string;
  readonly #options: readonly string[];

  private constructor(lists: string, cache: string) {
    this.lists = lists;
    this.#cache = cache;
    this.#options = [
      ...blind,
      ...['-o', `Dir::State::lists=${lists}`, '-o', `Dir::Cache=${cache}`],
      // Without a file of its own apt reads all lists anew in every call.
      ...['-o', 'Dir::Cache::pkgcache=pkgcache.bin', '-o', 'Dir::Cache::srcpkgcache='],
    ];
  }

  /** With the lists of the machine, as old as its last `apt-get update`. */
  static ofMachine(): Apt {
    return new Apt('/var/lib/apt/lists', cacheFolder('apt/machine'));
  }

  /** With lists of our own, which anybody can update. */
  static ofCache(): Apt {
    const folder = cacheFolder('apt/own');
    return new Apt(join(folder, 'lists'), folder);
  }

  /** Fetches the lists. `UNSUPPORTED` where no archive can be reached. */
  async update(signal?: AbortSignal): Promise<void> {
    await mkdir(join(this.lists, 'partial'), { recursive: true });
    const { status, stderr } = await runCommand('apt-get', ['update', '-qq', '--error-on=any', ...this.#options], {
      signal,
    });
    if (status !== 0) throw unreachable('package lists', stderr);
  }

  /** Changes whenever the lists do; undefined if there are none. */
  async fingerprint(): Promise<string | undefined> {
    const names = await readdir(this.lists).catch(() => []);
    const packages = names.filter((name) => name.includes('_Packages')).sort();
    if (packages.length === 0) return undefined;
    const hash = createHash('sha256');
    for (const name of packages) {
      const { size, mtimeMs } = await stat(join(this.lists, name));
      hash.update(JSON.stringify([name, size, mtimeMs]));
    }
    return hash.digest('hex');
  }

  async show(names: readonly string[]): Promise<readonly PackageRecord[]> {
    await mkdir(this.#cache, { recursive: true });
    // The status says that some name is unknown; the records of the others are there all the same.
    const { stdout } = await runCommand('apt-cache', ['show', '--no-all-versions', ...this.#options, '--', ...names]);
    return parseRecords(stdout);
  }

  async providers(virtual: string): Promise<readonly string[]> {
    const { stdout } = await runCommand('apt-cache', ['showpkg', ...this.#options, '--', virtual]);
    const lines = stdout.slice(stdout.indexOf('\nReverse Provides:')).split('\n').slice(2);
    return lines
      .map((line) => line.split(' ')[0] ?? '')
      .filter((name) => name !== '')
      .sort();
  }

  /** Paths of the package files, from the cache where they have been fetched before; verified when they are fetched. */
  async download(packages: readonly PackageRecord[], signal?: AbortSignal): Promise<ReadonlyMap<string, string>> {
    const folder = cacheFolder('packages');
    await mkdir(folder, { recursive: true });
    const present = new Set(await readdir(folder));
    const paths = new Map(packages.map(({ name, sha256 }) => [name, join(folder, `${sha256}.deb`)]));
    const missing = packages.filter(({ sha256 }) => !present.has(`${sha256}.deb`));
    if (missing.length > 0) await this.#fetch(missing, folder, signal);
    return paths;
  }

  async #fetch(packages: readonly PackageRecord[], folder: string, signal: AbortSignal | undefined): Promise<void> {
    const staging = await mkdtemp(join(folder, 'fetch-'));
    try {
      const exact = packages.map(({ name, version }) => `${name}=${version}`);
      const { status, stderr } = await runCommand('apt-get', ['download', '-qq', ...this.#options, '--', ...exact], {
        cwd: staging,
        signal,
      });
      if (status !== 0) throw unreachable('packages', stderr);
      const wanted = new Set(packages.map(({ sha256 }) => sha256));
      for (const name of await readdir(staging)) {
        const hash = createHash('sha256')
          .update(await readFile(join(staging, name)))
          .digest('hex');
        if (!wanted.delete(hash))
          throw new GantryError('DIGEST_MISMATCH', `${name} is not the file that apt's lists describe`);
        await rename(join(staging, name), join(folder, `${hash}.deb`));
      }
      if (wanted.size > 0) throw unreachable('packages', `${wanted.size} of ${packages.length} did not come`);
    } finally {
      await rm(staging, { recursive: true, force: true });
    }
  }
}

function unreachable(what: string, stderr: string): GantryError {
  const reason = stderr.trim().split('\n').at(-1) ?? '';
  return new GantryError(
    'UNSUPPORTED',
    `apt cannot fetch ${what}: ${reason}; make an archive reachable (apt's sources, network, proxy), or call once where one is: what was built is kept`,
    { details: { stderr } },
  );
}

/** Does something with the machine's lists or, where these are absent or too old, with fresh ones of our own. */
export async function withApt<T>(use: (apt: Apt) => Promise<T>, signal?: AbortSignal): Promise<T> {
  try {
    return await use(Apt.ofMachine());
  } catch (error) {
    if (!isGantryError(error, 'UNSUPPORTED') || 'command' in error.details) throw error;
  }
  const apt = Apt.ofCache();
  await apt.update(signal);
  return use(apt);
}
