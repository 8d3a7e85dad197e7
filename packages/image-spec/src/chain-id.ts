import type { Digest } from '@gantry/interface';
import { sha256 } from './digest.js';

/** The chain id of each layer, lowest first: its own digest for the first, then of each and all below it. OCI image-spec, config.md#layer-chainid. */
export function chainIds(diffIds: readonly Digest[]): Digest[] {
  const chain: Digest[] = [];
  for (const diffId of diffIds) {
    const parent = chain.at(-1);
    chain.push(parent === undefined ? diffId : sha256(new TextEncoder().encode(`${parent} ${diffId}`)));
  }
  return chain;
}
