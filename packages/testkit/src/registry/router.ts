import type { IncomingMessage } from 'node:http';
import type { Gate } from './auth.js';
import { blob } from './blobs.js';
import { catalog } from './catalog.js';
import type { Exchange, Shelf } from './exchange.js';
import { manifest } from './manifests.js';
import { referrers } from './referrers.js';
import { jsonReply, type Reply, refusal } from './reply.js';
import { tagList } from './tag-list.js';
import type { Access } from './token-service.js';
import { beginUpload, continueUpload } from './uploads.js';

const nameGrammar = /^[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*)*$/;
const version = { 'Docker-Distribution-Api-Version': 'registry/2.0' };

/** Answers one request. */
export async function route(shelf: Shelf, gate: Gate, request: IncomingMessage, url: URL): Promise<Reply> {
  if (url.pathname === '/token' && gate.tokens) return gate.tokens.answer(request, url.searchParams);
  const reply = await routeApi(shelf, gate, request, url);
  return { ...reply, headers: { ...version, ...reply.headers } };
}

async function routeApi(shelf: Shelf, gate: Gate, request: IncomingMessage, url: URL): Promise<Reply> {
  if (url.pathname === '/v2/' || url.pathname === '/v2') return gate.check(request, undefined) ?? jsonReply(200, {});
  if (url.pathname === '/v2/_catalog') {
    return gate.check(request, undefined) ?? catalog(shelf.repositories, request.method ?? 'GET', url.searchParams);
  }
  const [, name = '', kind = '', encoded = ''] =
    /^\/v2\/(.+)\/(manifests|blobs|tags|referrers)\/(.*)$/.exec(url.pathname) ?? [];
  // `blobs/uploads/<id>`: the name ends before the first of the two words.
  const upload = /^\/v2\/(.+)\/blobs\/uploads\/([0-9a-f-]*)$/.exec(url.pathname);
  const repository = upload?.[1] ?? name;
  if (!nameGrammar.test(repository)) return refusal(404, 'NAME_INVALID', 'no such path');

  const method = request.method ?? 'GET';
  const refused = gate.check(request, { repository, actions: actionsOf(method, kind) });
  if (refused) return refused;
  const target = decode(encoded);
  const exchange: Exchange = { shelf, request, method, query: url.searchParams, name: repository, target };
  if (upload) return upload[2] ? continueUpload(exchange, upload[2]) : beginUpload(exchange);
  if (kind === 'manifests') return manifest(exchange);
  if (kind === 'blobs') return blob(exchange);
  if (kind === 'referrers') return referrers(exchange);
  return target === 'list' ? tagList(exchange) : refusal(404, 'NAME_INVALID', 'no such path');
}

function actionsOf(method: string, kind: string): Access['actions'] {
  if (method === 'GET' || method === 'HEAD') return ['pull'];
  return method === 'DELETE' && kind === 'manifests' ? ['delete'] : ['pull', 'push'];
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    // Malformed escapes: no tag and no digest has a per cent sign, so the grammar of either refuses the text.
    return text;
  }
}
