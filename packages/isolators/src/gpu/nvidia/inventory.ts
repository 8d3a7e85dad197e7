import { type CdiSources, devicesOf, type FoundDevice, resolveDevice } from '../cdi-registry.js';

/** The kind under which NVIDIA's own tool describes GPUs. */
export const nvidiaKind = 'nvidia.com/gpu';

/** A GPU, or a part of one that is used for itself (a MIG device). */
export interface Gpu {
  /** What it can be asked for by: an index, a UUID. The first that is a UUID is what it is called. */
  readonly names: readonly string[];
  readonly name: string;
  /** The node of the GPU: `nvidia0`. */
  readonly board: string;
  /** Of a part: what leads to it, the nodes of its capabilities. */
  readonly part?: string;
  readonly device: FoundDevice;
}

/** What of a GPU somebody has. */
export type HeldGpu = Pick<Gpu, 'name' | 'board' | 'part'>;

/**
 * The GPUs of all specifications, in the order of their boards. One that is described under several names is one; a device with several
 * boards (`all`), or with none, is not among them. Pure.
 */
export function inventoryOf(sources: CdiSources): readonly Gpu[] {
  const found = new Map<string, Gpu>();
  for (const full of devicesOf(sources, nvidiaKind)) {
    const resolved = resolveDevice(sources, full);
    if (resolved.type !== 'device') continue;
    const place = placeOf(resolved.device);
    if (!place) continue;
    const key = JSON.stringify([place.board, place.part]);
    const names = [...(found.get(key)?.names ?? []), full.slice(nvidiaKind.length + 1)];
    const name = names.find((each) => /^(GPU|MIG)-/.test(each)) ?? names[0] ?? full;
    found.set(key, { names, name, ...place, device: found.get(key)?.device ?? resolved.device });
  }
  return [...found.values()].sort((a, b) => numberOf(a) - numberOf(b) || (a.name < b.name ? -1 : 1));
}

/** Whether two cannot be given to different containers: the same, or the whole of a GPU and a part of it. */
export function overlap(a: HeldGpu, b: HeldGpu): boolean {
  return a.board === b.board && (a.part === undefined || b.part === undefined || a.part === b.part);
}

function placeOf({ edits }: FoundDevice): Pick<Gpu, 'board' | 'part'> | undefined {
  const nodes = (edits.deviceNodes ?? []).map(({ path }) => path.slice(path.lastIndexOf('/') + 1));
  const [board, ...others] = new Set(nodes.filter((node) => /^nvidia\d+$/.test(node)));
  if (board === undefined || others.length > 0) return undefined;
  const capabilities = [...new Set(nodes.filter((node) => /^nvidia-cap\d+$/.test(node)))].sort();
  return capabilities.length === 0 ? { board } : { board, part: capabilities.join('+') };
}

function numberOf({ board }: Gpu): number {
  return Number(board.slice('nvidia'.length));
}
