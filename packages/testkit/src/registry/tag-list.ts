import type { Exchange } from './exchange.js';
import { jsonReply, type Reply, refusal } from './reply.js';

/** GET of `tags/list`, in pages if `n` is given. OCI distribution-spec, spec.md#listing-tags. */
export async function tagList({ shelf, method, name, query }: Exchange): Promise<Reply> {
  if (method !== 'GET') return refusal(405, 'UNSUPPORTED', `${method} of tags`);
  const repository = shelf.repositories.get(name);
  if (!repository) return refusal(404, 'NAME_UNKNOWN', `no repository ${name}`);
  const last = query.get('last');
  const rest = [...repository.tags.keys()].sort().filter((tag) => last === null || tag > last);
  const count = query.has('n') ? Number(query.get('n')) : rest.length;
  if (!Number.isSafeInteger(count) || count < 0) return refusal(400, 'PAGINATION_NUMBER_INVALID', 'n is a count');
  const tags = rest.slice(0, count);
  const end = tags.at(-1);
  const more = end !== undefined && tags.length < rest.length;
  const link = `</v2/${name}/tags/list?n=${count}&last=${encodeURIComponent(end ?? '')}>; rel="next"`;
  return jsonReply(200, { name, tags }, more ? { Link: link } : {});
}
