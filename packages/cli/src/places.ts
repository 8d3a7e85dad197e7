import { join } from 'node:path';
import { createContainerizer, defaultPlaces } from '@gantry/containerizer';
import type { Containerizer, ImageStore } from '@gantry/interface';
import { createRegistryClient } from '@gantry/registry-client';
import { createImageStore } from '@gantry/store';

/** The options that every command has. */
export interface GlobalOptions {
  readonly root: string;
  readonly stateRoot: string;
  readonly insecure: readonly string[];
  readonly cniConfig?: string;
  readonly cniPlugins: readonly string[];
}

/** Root's, or those of the ordinary user who runs the command. */
export const { root: defaultRoot, stateRoot: defaultStateRoot } = defaultPlaces();

/** The image store below the root, for commands that run nothing. */
export function openStore(options: GlobalOptions): ImageStore {
  return createImageStore({ root: join(options.root, 'store'), registry: openRegistry(options) });
}

/** A containerizer that has taken up what earlier commands left running. */
export async function openContainerizer(options: GlobalOptions, warn: (line: string) => void): Promise<Containerizer> {
  const { root, stateRoot } = options;
  const networks = {
    ...(options.cniConfig === undefined ? {} : { configFolder: options.cniConfig }),
    ...(options.cniPlugins.length > 0 ? { pluginFolders: options.cniPlugins } : {}),
  };
  const containerizer = await createContainerizer({ root, stateRoot, networks, registry: openRegistry(options) });
  const { failed } = await containerizer.recover();
  for (const { id, message } of failed) warn(`recovering ${id}: ${message}`);
  return containerizer;
}

function openRegistry(options: GlobalOptions) {
  return createRegistryClient({ insecure: options.insecure });
}
