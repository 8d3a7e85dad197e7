import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { lstat, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { applyLayer, removeTree } from '@gantry/archive';

/** @import { UnpackBudget } from '@gantry/archive' */

/** A folder to unpack into, with something beside it that no archive may touch. */
export class UnpackFolder {
  #folder;
  #victim = '';

  /** @param {string} folder */
  constructor(folder) {
    this.#folder = folder;
  }

  static async create() {
    const created = new UnpackFolder(await mkdtemp(join(tmpdir(), 'gantry-fuzz-')));
    await mkdir(created.target, { mode: 0o700 });
    await writeFile(join(created.#folder, 'victim'), 'untouched', { mode: 0o600 });
    created.#victim = await created.#lookAtVictim();
    return created;
  }

  get target() {
    return join(this.#folder, 'target');
  }

  /**
   * The digest of the archive is that of the whole blob, or of what it decompresses to as far as that is known here.
   *
   * @param {Buffer} blob
   * @param {UnpackBudget} budget
   */
  async apply(blob, budget) {
    const blobPath = join(this.#folder, 'blob');
    await writeFile(blobPath, blob);
    const diffId = /** @type {const} */ (`sha256:${createHash('sha256').update(inflated(blob)).digest('hex')}`);
    const mediaType = 'application/vnd.oci.image.layer.v1.tar';
    return applyLayer({ blobPath, mediaType, diffId, target: this.target, budget });
  }

  /** Checks that nothing beside the target was touched, and removes everything. */
  async close() {
    assert.equal(await this.#lookAtVictim(), this.#victim, 'something beside the target was touched');
    const names = (await readdir(this.#folder)).sort();
    assert.deepEqual(
      names.filter((name) => name !== 'blob'),
      ['target', 'victim'],
    );
    await removeTree(this.target);
    await rm(this.#folder, { recursive: true });
  }

  async #lookAtVictim() {
    const path = join(this.#folder, 'victim');
    const { mode, uid, gid, mtimeMs, ctimeMs, nlink } = await lstat(path);
    return JSON.stringify([mode, uid, gid, mtimeMs, ctimeMs, nlink, await readFile(path, 'utf8')]);
  }
}

/** @param {Buffer} blob */
function inflated(blob) {
  try {
    return gunzipSync(blob, { maxOutputLength: 2 ** 25 });
  } catch {
    return blob;
  }
}
