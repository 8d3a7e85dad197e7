import { createHash } from 'node:crypto';
import { lstat, readdir, readFile, readlink } from 'node:fs/promises';
import { join } from 'node:path';

/**
 * What a root file system comes to.
 * @typedef {object} TreeSummary
 * @property {number} entries
 * @property {string} digest Of path, type, mode, owner, size and time of every entry, and of the content of a sample.
 */

/** One file in so many is read. */
const sample = 64;

/**
 * Reads the tree that layers make together, lowest first. Whiteouts may have the form of archives or of overlayfs.
 * @param {readonly string[]} layers
 * @returns {Promise<TreeSummary>}
 */
export async function summarise(layers) {
  /** @type {Map<string, string>} */
  const tree = new Map();
  for (const layer of layers) {
    /** @type {Map<string, string>} */
    const own = new Map();
    /** @type {string[]} */
    const hidden = [];
    for await (const path of walk(layer, '')) {
      const whiteout = /^(.*\/)?\.wh\.([^/]+)$/.exec(path);
      const line = whiteout ? undefined : await describe(layer, path);
      if (line === undefined) hidden.push(whiteout ? `${whiteout[1] ?? ''}${whiteout[2]}` : path);
      else own.set(path, line);
    }
    for (const path of hidden) removeTree(tree, path);
    for (const [path, line] of own) tree.set(path, line);
  }
  const hash = createHash('sha256');
  for (const [path, line] of [...tree].sort(([a], [b]) => (a < b ? -1 : 1))) hash.update(`${path} ${line}\n`);
  return { entries: tree.size, digest: hash.digest('hex') };
}

/**
 * @param {string} root
 * @param {string} folder
 * @returns {AsyncGenerator<string>}
 */
async function* walk(root, folder) {
  for (const entry of await readdir(join(root, folder), { withFileTypes: true })) {
    const path = folder === '' ? entry.name : `${folder}/${entry.name}`;
    yield path;
    if (entry.isDirectory()) yield* walk(root, path);
  }
}

/**
 * @param {string} root
 * @param {string} path
 * @returns {Promise<string | undefined>} Undefined for overlayfs's whiteout.
 */
async function describe(root, path) {
  const file = join(root, path);
  const stat = await lstat(file);
  const common = `${stat.mode.toString(8)} ${stat.uid}:${stat.gid}`;
  if (stat.isSymbolicLink()) return `${common} -> ${await readlink(file)}`;
  if (stat.isCharacterDevice() && stat.rdev === 0) return undefined;
  if (!stat.isFile()) return `${common} ${stat.rdev}`;
  return `${common} ${stat.size} ${Math.floor(stat.mtimeMs / 1000)} ${isSampled(path) ? sha256(await readFile(file)) : ''}`;
}

/** @param {string} path */
const isSampled = (path) => Number.parseInt(sha256(path).slice(0, 8), 16) % sample === 0;

/** @param {string | Uint8Array} bytes */
const sha256 = (bytes) => createHash('sha256').update(bytes).digest('hex');

/**
 * @param {Map<string, string>} tree
 * @param {string} path
 */
function removeTree(tree, path) {
  for (const other of tree.keys()) if (other === path || other.startsWith(`${path}/`)) tree.delete(other);
}
