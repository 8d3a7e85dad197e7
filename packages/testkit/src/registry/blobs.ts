import { isDigest } from '@gantry/image-spec';
import type { Exchange } from './exchange.js';
import { type Reply, refusal } from './reply.js';

/** GET and HEAD of a blob. OCI distribution-spec, spec.md#pulling-blobs. */
export async function blob({ shelf, method, name, target }: Exchange): Promise<Reply> {
  if (method !== 'GET' && method !== 'HEAD') return refusal(405, 'UNSUPPORTED', `${method} of a blob`);
  if (!isDigest(target)) return refusal(400, 'DIGEST_INVALID', 'malformed digest');
  const size = shelf.repositories.get(name)?.blobs.has(target) ? await shelf.content.size(target) : undefined;
  if (size === undefined) return refusal(404, 'BLOB_UNKNOWN', `no blob ${target} in ${name}`);
  return {
    status: 200,
    headers: { 'Content-Type': 'application/octet-stream', 'Docker-Content-Digest': target },
    body: { size, read: (start, end) => shelf.content.read(target, start, end) },
    ranges: true,
  };
}
