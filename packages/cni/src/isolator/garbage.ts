import { type CallOptions, throwIfAborted } from '@gantry/interface';
import type { AttachmentCache } from '../attachments.js';
import type { CNI } from '../cni.js';
import type { NetworkConfigList } from '../network-config.js';
import { sweepLeases } from './host-local.js';

/**
 * Removes what networks that were used here hold for nobody: leases without an owner; with `all`, also what belongs to
 * containers that are not known here, unless the network's configuration rules that out.
 */
export async function collectGarbage(
  lists: readonly NetworkConfigList[],
  { cni, attachments, all }: { readonly cni: CNI; readonly attachments: AttachmentCache; readonly all: boolean },
  { signal }: CallOptions,
): Promise<void> {
  if (lists.length === 0) return;
  const known = await attachments.list();
  const ids = new Set(known.map(({ conf }) => conf.containerID));
  for (const list of lists) {
    throwIfAborted(signal, `collecting network ${list.name}`);
    const collects = all && !list.disableGC;
    await sweepLeases(list, (id) => collects && !ids.has(id));
    const valid = known.filter((one) => one.list.name === list.name).map(({ conf }) => conf);
    if (collects) await cni.gcNetworkList(list, valid, signal ? { signal } : {});
  }
}
