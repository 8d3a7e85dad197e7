import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type LaunchRequest, toGantryError } from '@gantry/interface';

/** Puts the document where hooks look for it: into the folder that they are told is the bundle. */
export function writeBundle({ config, stateDir }: LaunchRequest): void {
  if (!config.hooks) return;
  const path = join(stateDir, 'config.json');
  try {
    writeFileSync(path, JSON.stringify(config), { mode: 0o600 });
  } catch (error) {
    throw toGantryError(error, `writing ${path} for hooks`);
  }
}

export function removeBundle({ config, stateDir }: LaunchRequest): void {
  if (config.hooks) rmSync(join(stateDir, 'config.json'), { force: true });
}
