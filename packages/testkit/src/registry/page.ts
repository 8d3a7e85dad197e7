import { type Reply, refusal } from './reply.js';

/** One page of a list that is asked for with `n` and `last`, and the header that leads to the next. */
export interface PageOf {
  readonly names: readonly string[];
  readonly headers: Readonly<Record<string, string>>;
}

/** Cuts a page out of names that are in order; a refusal for a count that is none. OCI distribution-spec, "Listing Tags". */
export function pageOf(names: readonly string[], path: string, query: URLSearchParams): PageOf | Reply {
  const last = query.get('last');
  const rest = names.filter((name) => last === null || name > last);
  const count = query.has('n') ? Number(query.get('n')) : rest.length;
  if (!Number.isSafeInteger(count) || count < 0) return refusal(400, 'PAGINATION_NUMBER_INVALID', 'n is a count');
  const page = rest.slice(0, count);
  const end = page.at(-1);
  const more = end !== undefined && page.length < rest.length;
  const link = `<${path}?n=${count}&last=${encodeURIComponent(end ?? '')}>; rel="next"`;
  return { names: page, headers: more ? { Link: link } : {} };
}
