import { mkdtemp, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Provisioner } from '@gantry/interface';
import { shell } from './root-view.js';
import { makeSampleLayers, sampleImage } from './sample-layers.js';

/** What a provisioner is like, as far as tests have to know. */
export interface ProvisionerTraits {
  /** URL of the module that makes it. */
  readonly module: string;
  readonly layers: 'one' | 'many';
  readonly writable: boolean;
}

/** What one test works with. */
export interface Bench extends ProvisionerTraits {
  /** The folder that the provisioner was made on. */
  readonly root: string;
  /** A folder for whatever else. */
  readonly folder: string;
  /** Paths of the image's layers, lowest first. */
  readonly layerPaths: readonly string[];
  readonly image: { readonly image: ReturnType<typeof sampleImage> };
  readonly provisioner: Provisioner;
  /** Another provisioner on the same folder, as a later process would make it. */
  again(): Promise<Provisioner>;
  ids(): Promise<string[]>;
  /** Names of all that is below the provisioner's folder. */
  leftovers(): Promise<string[]>;
  remove(): Promise<void>;
}

type Create = (root: string) => Provisioner | Promise<Provisioner>;

export async function makeBench(traits: ProvisionerTraits): Promise<Bench> {
  const folder = await realpath(await mkdtemp(join(tmpdir(), 'provisioner-compliance-')));
  const root = join(folder, 'root');
  const { create } = (await import(traits.module)) as { create: Create };
  const layerPaths = await makeSampleLayers(join(folder, 'layers'), traits.layers === 'one' ? 1 : 3);
  const provisioner = await create(root);
  return {
    ...traits,
    root,
    folder,
    layerPaths,
    image: { image: sampleImage(layerPaths) },
    provisioner,
    again: async () => create(root),
    ids: () => idsOf(provisioner),
    leftovers: async () => (await shell(`test ! -e ${root} || find ${root}`)).split('\n').filter(Boolean).sort(),
    remove: () => rm(folder, { recursive: true, force: true }),
  };
}

export async function idsOf(provisioner: Provisioner): Promise<string[]> {
  const ids: string[] = [];
  for await (const id of provisioner.list()) ids.push(id);
  return ids.sort();
}
