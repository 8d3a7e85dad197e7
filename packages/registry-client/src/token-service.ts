import { decodeJson, type JsonObject } from '@gantry/image-spec';
import { GantryError } from '@gantry/interface';
import { basicHeader } from './basic.js';
import type { Call } from './call.js';
import { Fault, never } from './fault.js';
import { refusalOfRealm, resolveLocation } from './hops.js';
import type { Settings } from './options.js';
import { readAll } from './reply.js';
import { statusFault } from './status-fault.js';
import type { Wire, WireRequest } from './wire.js';

/** A bearer token and how long it may be used, in seconds. */
export interface Token {
  readonly value: string;
  readonly expiresIn: number;
}

/** What a Bearer challenge asks for. */
export interface TokenRequest {
  readonly registry: URL;
  readonly realm: string;
  readonly service: string | undefined;
  readonly scope: string | undefined;
}

const longestAnswer = 1024 * 1024;
/** What a token without `expires_in` is good for, by the distribution project's token specification. */
const defaultLifetime = 60;
const longestLifetime = 24 * 60 * 60;

/** Gets a token from the service that a registry names: by its refresh token, by password, or for anybody. */
export async function fetchToken(wire: Wire, settings: Settings, call: Call, request: TokenRequest): Promise<Token> {
  const realm = checkRealm(settings, call, request);
  const reply = await wire.open(call, buildRequest(settings, call, request, realm));
  try {
    if (reply.status !== 200) throw await statusFault(call, reply, 'login');
    return readToken(call, reply.url, await readAll(call.what, reply, longestAnswer));
  } finally {
    reply.close();
  }
}

function buildRequest(settings: Settings, call: Call, request: TokenRequest, realm: URL): WireRequest {
  const query = new URLSearchParams();
  if (request.service !== undefined) query.set('service', request.service);
  if (request.scope !== undefined) query.set('scope', request.scope);
  const headers = { accept: 'application/json' };
  const follow = (from: URL, location: string | undefined) => {
    const next = resolveLocation(call.what, from, location, settings.insecure);
    return checkRealm(settings, call, { ...request, realm: next.href });
  };

  const refreshToken = call.credentials?.identityToken;
  if (refreshToken) {
    query.set('grant_type', 'refresh_token');
    query.set('refresh_token', refreshToken);
    query.set('client_id', 'gantry');
    const body = Buffer.from(query.toString());
    const type = { 'content-type': 'application/x-www-form-urlencoded', 'content-length': String(body.length) };
    return { method: 'POST', url: realm, headers: { ...headers, ...type }, body, follow };
  }
  const url = new URL(realm);
  for (const [name, value] of query) url.searchParams.set(name, value);
  const authorization = basicHeader(call);
  return { method: 'GET', url, headers, follow, ...(authorization !== undefined && { authorization }) };
}

function checkRealm(settings: Settings, call: Call, { registry, realm }: TokenRequest): URL {
  if (!URL.canParse(realm)) throw refused(call, registry, 'names no valid token service');
  const url = new URL(realm);
  const refusal = refusalOfRealm(registry, url, settings.insecure);
  if (refusal === undefined) return url;
  throw refused(call, registry, `wants the login sent to ${url.protocol}//${url.host}, refused: ${refusal}`);
}

function readToken(call: Call, url: URL, bytes: Uint8Array): Token {
  const what = `${call.what}: token of ${url.host}`;
  const answer = decodeJson(bytes, { what, maxBytes: longestAnswer });
  const fields: JsonObject =
    typeof answer === 'object' && answer !== null && !Array.isArray(answer) ? (answer as JsonObject) : {};
  const value = fields['token'] || fields['access_token'];
  // It goes into a header: nothing but visible ASCII.
  if (typeof value !== 'string' || !/^[\x21-\x7e]+$/.test(value)) throw refused(call, url, 'answered without a token');
  call.addSecret(value);
  const lifetime = fields['expires_in'];
  const expiresIn =
    typeof lifetime === 'number' && lifetime > 0 ? Math.min(lifetime, longestLifetime) : defaultLifetime;
  return { value, expiresIn };
}

function refused(call: Call, url: URL, reason: string): Fault {
  const details = { registry: call.registry, host: url.host };
  return new Fault(new GantryError('REGISTRY_ERROR', `${call.what}: ${url.host} ${reason}`, { details }), never);
}
