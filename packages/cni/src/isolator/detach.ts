import type { Attachment } from '../attachments.js';
import type { CNI } from '../cni.js';
import { sweepLeases } from './host-local.js';
import { sweepMasquerade } from './masquerade.js';

/**
 * Deletes an attachment, with the configuration that it was added with, and what its plugins leave if they were killed: by an
 * ADD that did not come to its end, or by an earlier DEL that did not, if there was one or nobody knows.
 */
export async function detach(
  cni: CNI,
  { list, conf, result }: Attachment,
  { netNS, isFirst }: { readonly netNS: string; readonly isFirst: boolean },
): Promise<void> {
  await cni.delNetworkList(list, { ...conf, netNS });
  if (!result) await sweepLeases(list, () => false);
  if (!isFirst) await sweepMasquerade(list, conf.containerID);
}
