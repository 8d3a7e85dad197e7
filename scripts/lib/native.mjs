import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fingerprint, unlessDone } from './fingerprint.mjs';
import { root } from './paths.mjs';
import { runOrThrow } from './run.mjs';

const addon = 'native/build/Release/gantry.node';

/** Compiles the addon unless it is there, made from the same sources for this Node.js. */
export async function buildAddon() {
  const sources = ['native/addon', 'native/binding.gyp', 'native/package.json'];
  const facts = [process.arch, process.versions.modules];
  await unlessDone('addon', fingerprint(sources, facts), [addon], () =>
    runOrThrow('npx', ['--no-install', 'node-gyp', 'rebuild', ...headersOption()], { cwd: join(root, 'native') }),
  );
}

/** Compiles the shim; make knows what there is to do. */
export async function buildShim() {
  await runOrThrow('make', ['--silent', '-C', 'native/shim']);
}

/** Names the headers that came with this Node.js, if they did and npm's `nodedir` names no others: else node-gyp downloads them. */
function headersOption() {
  const prefix = dirname(dirname(process.execPath));
  const configured = Object.keys(process.env).some((name) => /^npm_config_nodedir$/i.test(name));
  return !configured && existsSync(join(prefix, 'include/node/node_api.h')) ? [`--nodedir=${prefix}`] : [];
}
