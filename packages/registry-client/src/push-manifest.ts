import type { Digest, FetchedManifest, ImageReference } from '@gantry/interface';
import type { Call } from './call.js';
import { putDocument } from './manifests.js';
import { addReferrer, subjectOf } from './referrers-tag.js';
import type { Requester } from './requester.js';

/** Uploads a manifest, and lists it among its subject's referrers where the registry does not do that. OCI distribution-spec, "Pushing Manifests with Subject". */
export async function pushManifest(
  requester: Requester,
  call: Call,
  reference: ImageReference,
  manifest: FetchedManifest,
): Promise<Digest> {
  const subject = subjectOf(manifest);
  const { digest, knowsSubject } = await putDocument(requester, call, reference, manifest);
  if (subject !== undefined && !knowsSubject) await addReferrer(requester, call, reference, manifest, subject);
  return digest;
}
