import type { Digest, ImageReference } from '@gantry/interface';
import type { Call } from './call.js';
import { drain } from './reply.js';
import type { Requester } from './requester.js';
import { pullScope, pushScope } from './scope.js';

/** Mounts a blob from another repository. OCI distribution-spec, "Mounting a blob from another repository". */
export function mountBlob(
  requester: Requester,
  call: Call,
  reference: ImageReference,
  digest: Digest,
  from: ImageReference,
): Promise<boolean> {
  const query = new URLSearchParams({ mount: digest, from: from.repository });
  const scope = `${pushScope(reference)} ${pullScope(from)}`;
  const request = {
    method: 'POST',
    target: `${reference.repository}/blobs/uploads/?${query}`,
    headers: { 'content-length': '0' },
    scope,
  } as const;
  return requester.retry(call, async () => {
    const reply = await requester.open(call, request, [201, 202]);
    await drain(reply);
    if (reply.status === 201) return true;
    // It began an upload instead, which nobody will go on with. A registry forgets such by itself, too.
    const begun = { method: 'DELETE', target: requester.locate(call, reply), scope } as const;
    await requester.open(call, begun, [204, 200, 202]).then(drain, () => undefined);
    return false;
  });
}
