import { statSync } from 'node:fs';
import { join } from 'node:path';
import { build } from './build.mjs';
import { buildAddon, buildShim } from './native.mjs';
import { root } from './paths.mjs';
import { checkPrerequisites } from './prerequisites.mjs';
import { runOrThrow } from './run.mjs';
import { allSteps, step } from './step.mjs';

/**
 * Brings a checkout to where everything in it runs; does only what has not been done. Away from Linux there is no
 * addon and no shim: what deals with images works without.
 */
export async function setup() {
  checkPrerequisites();
  await step('dependencies', installDependencies);
  const native = process.platform === 'linux' ? [step('addon', buildAddon), step('shim', buildShim)] : [];
  await allSteps([...native, step('packages', build)]);
}

/** npm writes its record of what it installed last of all: one that is older than the lock file is of another one. */
async function installDependencies() {
  const installed = modifiedAt('node_modules/.package-lock.json');
  if (installed >= modifiedAt('package-lock.json')) return;
  await runOrThrow('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error']);
}

/** @param {string} path */
function modifiedAt(path) {
  return statSync(join(root, path), { throwIfNoEntry: false })?.mtimeMs ?? Number.NEGATIVE_INFINITY;
}
