import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './paths.mjs';

/** Every workspace's folder, relative to the top of the repository. */
export function workspaces() {
  const below = ['packages', 'examples'].flatMap((parent) =>
    readdirSync(join(root, parent)).map((name) => `${parent}/${name}`),
  );
  return ['native', ...below].filter((folder) => existsSync(join(root, folder, 'package.json')));
}
