import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fingerprint, unlessDone } from './fingerprint.mjs';
import { root, tool } from './paths.mjs';
import { runOrThrow } from './run.mjs';
import { allSteps } from './step.mjs';
import { workspaces } from './workspaces.mjs';

/** Bundles every workspace's JavaScript and writes its declarations, unless no source has changed since it last did. */
export async function build() {
  const folders = workspaces();
  const sources = ['package-lock.json', 'tsconfig.base.json', 'tsconfig.json', 'tsup.config.ts'];
  for (const folder of folders) sources.push(`${folder}/src`, `${folder}/package.json`, `${folder}/tsconfig.json`);
  await unlessDone('build', fingerprint(sources), folders.flatMap(outputsOf), () =>
    allSteps([runOrThrow(tool('tsup'), []), runOrThrow(tool('tsc'), ['-b'])]),
  );
}

/**
 * What a build of the workspace leaves: programs need no declarations.
 * @param {string} folder
 */
function outputsOf(folder) {
  const outputs = { index: ['index.js', 'index.d.ts'], main: ['main.js'] };
  return Object.entries(outputs)
    .filter(([entry]) => existsSync(join(root, folder, 'src', `${entry}.ts`)))
    .flatMap(([, files]) => files.map((file) => `${folder}/dist/${file}`));
}
