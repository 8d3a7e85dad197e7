import { join } from 'node:path';
import { type ContainerId, GantryError, type Isolator, type PrepareContext, type Resources } from '@gantry/interface';
import { invalidField, refused } from '../../errors.js';
import type { VolumeFolders } from '../../volume/container-folders.js';
import { type CdiSetting, editsOfDevices } from '../cdi.js';
import { type CdiOptions, cdiReader } from '../cdi-files.js';
import type { CdiSources } from '../cdi-registry.js';
import { chooseGpus } from './choice.js';
import { type Gpu, inventoryOf } from './inventory.js';
import { GpuLedger } from './ledger.js';
import { type NvidiaPlaces, nvidiaNodes } from './nodes.js';

const name = 'gpu/nvidia';

/** Where GPUs are found, and where it is kept who has them. */
export interface NvidiaOptions extends GpuSources {
  /** All state roots with the same `root` share the GPUs. */
  readonly folders: VolumeFolders;
}

export interface GpuSources {
  readonly cdi?: CdiOptions;
  readonly places?: NvidiaPlaces;
}

/**
 * `gpu/nvidia`: gives each container the GPUs of its `resources.gpus` for itself, out of those that a CDI specification of `nvidia.com/gpu`
 * describes, else those whose nodes the driver shows. They are its from before it is prepared until it is cleaned up.
 */
export function gpuNvidia(options: NvidiaOptions & CdiSetting): Isolator {
  const find = gpuFinder(options);
  const ledger = new GpuLedger(join(options.folders.root, 'gpus'), options.folders.place);
  const reserved = new Map<ContainerId, { readonly reservation: string; readonly gpus: readonly Gpu[] }>();
  return {
    name,
    after: ['cgroups/devices', 'filesystem/*'],
    serves: ['resources.gpus'],
    async reserve(context, { signal } = {}) {
      const wanted = wantedOf(context);
      if (wanted === undefined) return undefined;
      const { id } = context;
      const { gpus: inventory } = await find();
      const chosen = await ledger.reserve(id, wanted, (taken) => chooseGpus(name, wanted, inventory, taken), signal);
      reserved.set(id, chosen);
      return {
        async [Symbol.asyncDispose]() {
          reserved.delete(id);
          // Once its lock is gone it counts for nothing, even if it could not be taken out.
          await ledger.withdraw(chosen.reservation).catch(() => undefined);
        },
      };
    },
    async edits(context) {
      const wanted = wantedOf(context);
      if (wanted === undefined) return {};
      const gpus =
        reserved.get(context.id)?.gpus ?? chooseGpus(name, wanted, (await find()).gpus, await ledger.taken());
      const devices = gpus.map(({ device }) => device);
      return editsOfDevices(name, context, devices, options);
    },
    prepares: (context) => (wantedOf(context) === undefined ? 'nothing' : 'anything'),
    async prepare(context) {
      if (wantedOf(context) === undefined) return;
      const chosen = reserved.get(context.id);
      if (chosen) return ledger.confirm(chosen.reservation, context.id);
      throw new GantryError('WRONG_STATE', `${name}: nothing was reserved for container ${context.id}`, {
        details: { id: context.id },
      });
    },
    async status(id) {
      const claim = ledger.claimOf(id);
      return claim && { gpus: claim.gpus.map((gpu) => gpu.name) };
    },
    async update(id, resources) {
      const held = ledger.claimOf(id)?.wanted;
      const wanted = normal(resources.gpus);
      if (JSON.stringify(held) === JSON.stringify(wanted)) return;
      throw refused(
        name,
        `resources.gpus: a running container keeps the GPUs that it has, ${JSON.stringify(held ?? 0)} as asked for at its launch`,
        'give the same again, or launch another container',
        { details: { field: 'resources.gpus' } },
      );
    },
    cleanup: (id) => ledger.release(id),
    async *list() {
      yield* ledger.containers();
    },
    recover: () => ledger.sweep(),
  };
}

/** What finds the GPUs of this host as they are at the moment. */
export function gpuFinder({ cdi = {}, places = {} }: GpuSources): () => Promise<FoundGpus> {
  const read = cdiReader(cdi);
  return async () => {
    const described = await read();
    const gpus = inventoryOf(described);
    const spec = gpus.length > 0 ? undefined : await nvidiaNodes(places);
    if (!spec) return { gpus, described };
    const sources = [{ file: places.devices ?? '/dev', priority: 0, spec }];
    return { gpus: inventoryOf({ sources, faults: [] }), described };
  };
}

export interface FoundGpus {
  readonly gpus: readonly Gpu[];
  /** All specifications that there are. */
  readonly described: CdiSources;
}

function wantedOf({ spec }: PrepareContext): number | readonly string[] | undefined {
  const wanted = normal(spec.resources?.gpus);
  if (wanted !== undefined && spec.sandbox) {
    throw invalidField('spec.resources.gpus', 'a sandbox runs no program: give them to those nested in it');
  }
  return wanted;
}

/** None is none, however it is written. */
function normal(gpus: Resources['gpus']): number | readonly string[] | undefined {
  return gpus === 0 || (Array.isArray(gpus) && gpus.length === 0) ? undefined : gpus;
}
