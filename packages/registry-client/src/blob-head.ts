import { GantryError, type ImageReference } from '@gantry/interface';
import type { Call } from './call.js';
import { contentLength, drain, type Reply } from './reply.js';
import type { Requester } from './requester.js';
import { pullScope } from './scope.js';

/** Whether a repository holds a blob, asked with the rights that `scope` names. */
export async function blobExists(
  requester: Requester,
  call: Call,
  repository: ImageReference,
  digest: string,
  scope: string,
): Promise<boolean> {
  return (await askForBlob(requester, call, repository, digest, scope)) !== undefined;
}

/** The size that the registry tells of a blob; undefined if it does not hold it, `REGISTRY_ERROR` if it does not tell. */
export async function blobSize(
  requester: Requester,
  call: Call,
  repository: ImageReference,
  digest: string,
): Promise<number | undefined> {
  const reply = await askForBlob(requester, call, repository, digest, pullScope(repository));
  const size = reply && contentLength(reply);
  if (!reply || size !== undefined) return size;
  throw new GantryError('REGISTRY_ERROR', `${call.what}: ${reply.url.host} does not tell its size`, {
    details: { status: reply.status },
  });
}

function askForBlob(
  requester: Requester,
  call: Call,
  { repository }: ImageReference,
  digest: string,
  scope: string,
): Promise<Reply | undefined> {
  const request = { method: 'HEAD', target: `${repository}/blobs/${digest}`, scope } as const;
  return requester.retry(call, async () => {
    const reply = await requester.open(call, request, [200, 404]);
    await drain(reply);
    return reply.status === 200 ? reply : undefined;
  });
}
