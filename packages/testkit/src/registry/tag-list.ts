import type { Exchange } from './exchange.js';
import { pageOf } from './page.js';
import { jsonReply, type Reply, refusal } from './reply.js';

/** GET of `tags/list`, in pages if `n` is given. OCI distribution-spec, "Listing Tags". */
export async function tagList({ shelf, method, name, query }: Exchange): Promise<Reply> {
  if (method !== 'GET') return refusal(405, 'UNSUPPORTED', `${method} of tags`);
  const repository = shelf.repositories.get(name);
  if (!repository) return refusal(404, 'NAME_UNKNOWN', `no repository ${name}`);
  const page = pageOf([...repository.tags.keys()].sort(), `/v2/${name}/tags/list`, query);
  return 'status' in page ? page : jsonReply(200, { name, tags: page.names }, page.headers);
}
