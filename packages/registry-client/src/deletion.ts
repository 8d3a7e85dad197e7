import { GantryError, type ImageReference } from '@gantry/interface';
import type { Call } from './call.js';
import { Fault, never } from './fault.js';
import { drain } from './reply.js';
import type { Requester } from './requester.js';
import { deleteScope } from './scope.js';

/** Statuses of registries that do not let manifests or tags be deleted. */
const refusals: readonly number[] = [400, 405, 501];

/** Deletes a manifest by its digest, or a tag. OCI distribution-spec, "Content Management". */
export async function deleteManifest(requester: Requester, call: Call, reference: ImageReference): Promise<void> {
  const { repository, digest, tag } = reference;
  const target = `${repository}/manifests/${digest ?? tag}`;
  const request = { method: 'DELETE', target, scope: deleteScope(reference) } as const;
  let again = false;
  await requester.retry(call, async () => {
    // After an attempt whose answer was lost, there may be nothing left to delete.
    const wanted = [202, 200, 204, ...refusals, ...(again ? [404] : [])];
    again = true;
    const reply = await requester.open(call, request, wanted);
    await drain(reply);
    if (!refusals.includes(reply.status)) return;
    const remedy = digest === undefined ? 'try it by digest, or allow deletion' : 'allow deletion';
    const message = `${call.what}: ${reply.url.host} does not delete (${reply.status}): ${remedy} in its configuration`;
    throw new Fault(new GantryError('UNSUPPORTED', message, { details: { status: reply.status } }), never);
  });
}
