import type { ContainerId } from '@gantry/interface';
import type { HeldGpu } from './inventory.js';

/** What a container has, or is about to. */
export interface GpuClaim {
  readonly container: ContainerId;
  /** As it was asked for. */
  readonly wanted: number | readonly string[];
  readonly gpus: readonly HeldGpu[];
}

/** Throws for what is no claim, or not a whole one. */
export function parseClaim(text: string): GpuClaim {
  const value = JSON.parse(text) as Partial<GpuClaim> | null;
  const { container, wanted, gpus } = value ?? {};
  const isWhole =
    typeof container === 'string' &&
    (typeof wanted === 'number' || Array.isArray(wanted)) &&
    Array.isArray(gpus) &&
    gpus.every((gpu: Partial<HeldGpu> | null) => typeof gpu?.name === 'string' && typeof gpu.board === 'string');
  if (!isWhole) throw new SyntaxError('it is no claim of GPUs');
  return { container, wanted, gpus };
}
