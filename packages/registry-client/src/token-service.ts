import { decodeJson, type JsonObject, type JsonValue } from '@gantry/image-spec';
import { GantryError } from '@gantry/interface';
import { basicHeader } from './basic.js';
import type { Call } from './call.js';
import { Fault, never } from './fault.js';
import { refusalOfRealm, resolveLocation } from './hops.js';
import { type Reply, readAll } from './reply.js';
import type { Settings } from './settings.js';
import { statusFault } from './status-fault.js';
import type { Wire, WireRequest } from './wire.js';

/** A bearer token and how long it may still be used, in seconds; zero or less for this once. */
export interface Token {
  readonly value: string;
  readonly expiresIn: number;
}

/** What a Bearer challenge asks for. */
export interface TokenRequest {
  readonly registry: URL;
  readonly realm: string;
  readonly service: string | undefined;
  readonly scopes: readonly string[];
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
    return readToken(call, reply, await readAll(call.what, reply, longestAnswer));
  } finally {
    reply.close();
  }
}

function buildRequest(settings: Settings, call: Call, request: TokenRequest, realm: URL): WireRequest {
  const query = new URLSearchParams();
  if (request.service !== undefined) query.set('service', request.service);
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
    if (request.scopes.length > 0) query.set('scope', request.scopes.join(' '));
    const body = Buffer.from(query.toString());
    const type = { 'content-type': 'application/x-www-form-urlencoded', 'content-length': String(body.length) };
    return { method: 'POST', url: realm, headers: { ...headers, ...type }, body, follow };
  }
  const url = new URL(realm);
  for (const scope of request.scopes) query.append('scope', scope);
  for (const name of query.keys()) url.searchParams.delete(name);
  for (const [name, value] of query) url.searchParams.append(name, value);
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

function readToken(call: Call, { url, headers }: Reply, bytes: Uint8Array): Token {
  const what = `${call.what}: token of ${url.host}`;
  const answer = decodeJson(bytes, { what, maxBytes: longestAnswer });
  const fields: JsonObject =
    typeof answer === 'object' && answer !== null && !Array.isArray(answer) ? (answer as JsonObject) : {};
  const value = fields['token'] || fields['access_token'];
  // It goes into a header: nothing but visible ASCII.
  if (typeof value !== 'string' || !/^[\x21-\x7e]+$/.test(value)) throw refused(call, url, 'answered without a token');
  call.addSecret(value);
  const lifetime = fields['expires_in'];
  const seconds = typeof lifetime === 'number' && lifetime > 0 ? Math.min(lifetime, longestLifetime) : defaultLifetime;
  return { value, expiresIn: seconds - secondsSince(fields['issued_at'], headers.get('date')) };
}

/** How old a token is that the service had in stock. By the service's own clock: ours may differ. */
function secondsSince(issuedAt: JsonValue | undefined, date: string | undefined): number {
  const age = Date.parse(date ?? '') - Date.parse(typeof issuedAt === 'string' ? issuedAt : '');
  return Number.isNaN(age) ? 0 : Math.max(0, age / 1000);
}

function refused(call: Call, url: URL, reason: string): Fault {
  const details = { registry: call.registry, host: url.host };
  return new Fault(new GantryError('REGISTRY_ERROR', `${call.what}: ${url.host} ${reason}`, { details }), never);
}
