import { pageOf } from './page.js';
import { jsonReply, type Reply, refusal } from './reply.js';
import type { Repositories } from './repositories.js';

/** GET of `_catalog`, in pages if `n` is given: the distribution project's list of repositories. */
export function catalog(repositories: Repositories, method: string, query: URLSearchParams): Reply {
  if (method !== 'GET') return refusal(405, 'UNSUPPORTED', `${method} of the catalog`);
  const page = pageOf(repositories.names(), '/v2/_catalog', query);
  return 'status' in page ? page : jsonReply(200, { repositories: page.names }, page.headers);
}
