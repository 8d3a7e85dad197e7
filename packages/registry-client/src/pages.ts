import { type ErrorCode, GantryError } from '@gantry/interface';
import type { Call } from './call.js';
import { nextLink } from './link-header.js';
import { type Reply, readAll } from './reply.js';
import type { RegistryRequest, Requester } from './requester.js';

/** One page of a list. */
export interface Page {
  readonly headers: ReadonlyMap<string, string>;
  readonly bytes: Uint8Array;
}

const mostPages = 10_000;
const longestPage = 4 * 1024 * 1024;

/**
 * The pages of a list, following Link headers within the registry's own origin, never to where it has been before and to
 * 10 000 pages at most. Each page is tried again by itself.
 */
export async function* pagesOf(requester: Requester, call: Call, first: RegistryRequest): AsyncGenerator<Page> {
  const seen = new Set<string>();
  let target: RegistryRequest['target'] | undefined = first.target;
  while (target !== undefined) {
    const request = { ...first, target };
    const { page, next } = await requester.retry(call, async () => {
      const reply = await requester.open(call, request, [200]);
      try {
        const bytes = await readAll(call.what, reply, longestPage);
        return { page: { headers: reply.headers, bytes }, next: await nextPage(requester, call, reply) };
      } finally {
        reply.close();
      }
    });
    yield page;
    if (next !== undefined && seen.has(next.href))
      throw refused(call, 'REGISTRY_ERROR', 'its pages go round in a circle');
    if (seen.size >= mostPages) throw refused(call, 'LIMIT_EXCEEDED', `more than ${mostPages} pages`);
    if (next) seen.add(next.href);
    target = next;
  }
}

/** The next page's URL. A list that leads to another host would have us ask that one in the registry's name. */
async function nextPage(requester: Requester, call: Call, reply: Reply): Promise<URL | undefined> {
  const link = nextLink(reply.headers.get('link'));
  if (link === undefined) return undefined;
  const base = await requester.baseOf(call);
  const url = URL.canParse(link, reply.url.href) ? new URL(link, reply.url) : undefined;
  const isOwn = url?.origin === base.origin && url.pathname.startsWith(base.pathname);
  if (url && isOwn) return url;
  throw refused(call, 'REGISTRY_ERROR', 'its next page is elsewhere, refused');
}

function refused(call: Call, code: ErrorCode, reason: string): GantryError {
  return new GantryError(code, `${call.what}: ${call.registry}: ${reason}`, { details: { registry: call.registry } });
}
