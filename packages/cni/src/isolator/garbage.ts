import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type CallOptions, errnoOf, throwIfAborted } from '@gantry/interface';
import type { AttachmentCache } from '../attachments.js';
import type { CNI } from '../cni.js';
import { replaceFile } from '../durable.js';
import { formatNetworkConfigList, type NetworkConfigList, parseNetworkConfigList } from '../network-config.js';
import { sweepLeases } from './host-local.js';

const noted = '.networks';

/** Remembers which networks were used, and how: a file a configuration, which may have been changed or removed when it is looked for. */
export function noteNetworks(stateFolder: string, lists: readonly NetworkConfigList[]): void {
  for (const list of lists) {
    const text = formatNetworkConfigList(list);
    const digest = createHash('sha256').update(text).digest('hex').slice(0, 16);
    const path = join(stateFolder, noted, `${list.name}@${digest}`);
    if (existsSync(path)) continue;
    mkdirSync(join(stateFolder, noted), { recursive: true, mode: 0o700 });
    replaceFile(path, text);
  }
}

/**
 * Removes what networks that were used here hold for nobody: leases without an owner; with `all`, also what belongs to
 * containers that are not known here, unless the network's configuration rules that out.
 */
export async function collectGarbage(
  stateFolder: string,
  { cni, attachments, all }: { readonly cni: CNI; readonly attachments: AttachmentCache; readonly all: boolean },
  { signal }: CallOptions,
): Promise<void> {
  const lists = usedNetworks(stateFolder);
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

/** A torn note counts as none. */
function usedNetworks(stateFolder: string): readonly NetworkConfigList[] {
  const lists: NetworkConfigList[] = [];
  for (const file of names(join(stateFolder, noted))) {
    try {
      lists.push(parseNetworkConfigList(readFileSync(join(stateFolder, noted, file), 'utf8'), file));
    } catch {}
  }
  return lists;
}

function names(folder: string): readonly string[] {
  try {
    return readdirSync(folder).filter((name) => !name.endsWith('.tmp'));
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return [];
    throw error;
  }
}
