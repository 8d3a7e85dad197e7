import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { lstat, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { applyLayer, removeTree, type UnpackResult } from '@gantry/archive';
import type { CallOptions, Digest } from '@gantry/interface';
import { expect } from 'vitest';
import type { UnpackBudget } from '../src/budget.js';

export const plainType = 'application/vnd.oci.image.layer.v1.tar';
export const gzipType = 'application/vnd.oci.image.layer.v1.tar+gzip';

/** True where tests that set owners, make devices and write trusted attributes can run. */
export const isRoot = process.geteuid?.() === 0;
export const needsRoot = 'needs root: owners, devices and trusted attributes';

export function digestOf(bytes: Buffer, algorithm: 'sha256' | 'sha512' = 'sha256'): Digest {
  return `${algorithm}:${createHash(algorithm).update(bytes).digest('hex')}`;
}

interface ApplyOptions extends CallOptions {
  readonly budget?: Partial<UnpackBudget>;
  /** Default: the right one. */
  readonly diffId?: Digest;
}

/** A folder with a target to unpack into, and things beside it that no archive may touch. */
export class Sandbox {
  readonly #folder: string;
  readonly target: string;
  /** A file outside the target that hostile archives aim at. */
  readonly victim: string;
  #count = 0;

  private constructor(folder: string) {
    this.#folder = folder;
    this.target = join(folder, 'target');
    this.victim = join(folder, 'victim');
  }

  static async create(parent = tmpdir()): Promise<Sandbox> {
    const sandbox = new Sandbox(await mkdtemp(join(parent, 'gantry-archive-')));
    await mkdir(sandbox.target, { mode: 0o700 });
    await writeFile(sandbox.victim, 'untouched', { mode: 0o600 });
    return sandbox;
  }

  path(...parts: string[]): string {
    return join(this.target, ...parts);
  }

  /** Writes a file beside the target. */
  async put(name: string, bytes: Uint8Array): Promise<string> {
    const path = join(this.#folder, name);
    await writeFile(path, bytes);
    return path;
  }

  /** Unpacks an uncompressed archive. */
  async apply(bytes: Buffer, options: ApplyOptions = {}): Promise<UnpackResult> {
    const blobPath = await this.put(`blob-${this.#count++}`, bytes);
    return applyLayer({ blobPath, mediaType: plainType, diffId: digestOf(bytes), target: this.target, ...options });
  }

  /** Checks that nothing beside the target has changed, and removes everything. */
  async close(): Promise<void> {
    const { mode, uid, mtimeMs, birthtimeMs } = await lstat(this.victim);
    expect(await readFile(this.victim, 'utf8')).toBe('untouched');
    expect([mode & 0o7777, uid]).toEqual([0o600, 0]);
    expect(mtimeMs - birthtimeMs).toBeLessThan(1000);
    const beside = (await readdir(this.#folder)).filter((name) => !/^(?:blob|target|victim)/.test(name));
    expect(beside).toEqual([]);
    await removeTree(this.target);
    await rm(this.#folder, { recursive: true });
  }
}

/** The extended attributes of everything in a folder, itself included as ``, as the kernel has them: path, name, hex digits. */
export function xattrsOf(root: string): Map<string, Map<string, string>> {
  const script = `import json, os, sys
root, found = os.fsencode(sys.argv[1]), {}
def look(path):
    names = os.listxattr(path, follow_symlinks=False)
    key = os.fsdecode(os.path.relpath(path, root)).encode('utf8', 'surrogateescape').decode('latin1')
    found['' if key == '.' else key] = {n: os.getxattr(path, n, follow_symlinks=False).hex() for n in names}
look(root)
for folder, folders, files in os.walk(root):
    for name in folders + files: look(os.path.join(folder, name))
json.dump(found, sys.stdout)`;
  const found = JSON.parse(execFileSync('python3', ['-c', script, root], { encoding: 'utf8' })) as Record<
    string,
    Record<string, string>
  >;
  return new Map(Object.entries(found).map(([path, xattrs]) => [path, new Map(Object.entries(xattrs))]));
}

/** True for what overlayfs takes for a whiteout: a character device 0:0. */
export async function isWhiteout(path: string): Promise<boolean> {
  const status = await lstat(path);
  return status.isCharacterDevice() && status.rdev === 0;
}

/** Paths of the folders that overlayfs takes for opaque. */
export function opaqueFolders(root: string): string[] {
  const opaque = [...xattrsOf(root)].filter(([, xattrs]) => xattrs.get('trusted.overlay.opaque') === '79');
  return opaque.map(([path]) => path).sort();
}
