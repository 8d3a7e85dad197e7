import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { cacheFolder, root } from './paths.mjs';

/**
 * What names, sizes and times say about files: it differs as soon as one is added, removed or written.
 * @param {readonly string[]} paths Files and folders, relative to the top of the repository; folders with all below. Absent ones may come.
 * @param {readonly string[]} [facts] Whatever else the result depends on.
 */
export function fingerprint(paths, facts = []) {
  const hash = createHash('sha256');
  for (const fact of facts) hash.update(`${fact}\n`);
  for (const path of paths) addFile(hash, path);
  return hash.digest('hex');
}

/**
 * @param {import('node:crypto').Hash} hash
 * @param {string} path
 */
function addFile(hash, path) {
  const stat = statSync(join(root, path), { throwIfNoEntry: false });
  if (!stat) return;
  if (stat.isDirectory()) {
    for (const name of readdirSync(join(root, path)).sort()) addFile(hash, `${path}/${name}`);
  } else {
    hash.update(`${path} ${stat.size} ${stat.mtimeMs}\n`);
  }
}

/**
 * Does the work unless it succeeded before on the same sources and its outputs are still there. The fingerprint is
 * taken first, so that a file written meanwhile brings the work about again.
 * @param {string} name
 * @param {string} sources A fingerprint.
 * @param {readonly string[]} outputs Files, relative to the top of the repository.
 * @param {() => Promise<void>} work
 */
export async function unlessDone(name, sources, outputs, work) {
  const stamp = join(cacheFolder, `${name}.stamp`);
  const missing = outputs.some((path) => !existsSync(join(root, path)));
  if (!missing && existsSync(stamp) && readFileSync(stamp, 'utf8') === sources) return;
  await work();
  mkdirSync(cacheFolder, { recursive: true });
  writeFileSync(stamp, sources);
}
