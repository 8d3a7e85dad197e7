import { randomBytes } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { jsonReply, type Reply, refusal } from './reply.js';

/** A registry that wants tokens, and gives them at `/token` of its own address. */
export interface BearerOptions {
  /** The login that gets tokens; without it anybody does. */
  readonly username?: string;
  readonly password?: string;
  /** A refresh token that is taken in place of the login, in the OAuth2 form (POST). */
  readonly identityToken?: string;
  /** How long a token holds, seconds. Default 60. */
  readonly expiresIn?: number;
  /** Default `test-registry`. */
  readonly service?: string;
}

/** What a request wants to do to one repository. */
export interface Access {
  readonly repository: string;
  readonly actions: readonly ('pull' | 'push' | 'delete')[];
}

const maxFormBytes = 64 * 1024;

/** Gives tokens and knows them again. Docker's token authentication, with its OAuth2 form. */
export class TokenService {
  readonly service: string;
  readonly #options: BearerOptions;
  readonly #tokens = new Map<string, { readonly scopes: readonly string[]; readonly expiresAt: number }>();

  constructor(options: BearerOptions) {
    this.#options = options;
    this.service = options.service ?? 'test-registry';
  }

  judge(token: string, access: Access | undefined): 'good' | 'invalid' | 'insufficient' {
    const known = this.#tokens.get(token);
    if (!known || known.expiresAt <= Date.now()) return 'invalid';
    const granted = (action: string) => known.scopes.some((scope) => grants(scope, access?.repository, action));
    return access === undefined || access.actions.every(granted) ? 'good' : 'insufficient';
  }

  /** No token given so far is taken any more. */
  revoke(): void {
    this.#tokens.clear();
  }

  async answer(request: IncomingMessage, query: URLSearchParams): Promise<Reply> {
    if (request.method === 'GET') return this.#byQuery(request, query);
    if (request.method === 'POST') return this.#byForm(request);
    return refusal(405, 'UNSUPPORTED', `${request.method} of a token`);
  }

  #byQuery(request: IncomingMessage, query: URLSearchParams): Reply {
    const login = basicOf(request);
    if (!this.#knows(login?.username, login?.password)) return refusal(401, 'UNAUTHORIZED', 'wrong login');
    const token = this.#give(query.getAll('scope'));
    return this.#granted({ token, access_token: token });
  }

  async #byForm(request: IncomingMessage): Promise<Reply> {
    const form = await readForm(request);
    const { identityToken } = this.#options;
    const refreshed =
      form.get('grant_type') === 'refresh_token' &&
      identityToken !== undefined &&
      form.get('refresh_token') === identityToken;
    const known =
      form.get('grant_type') === 'password' &&
      this.#knows(form.get('username') ?? undefined, form.get('password') ?? undefined);
    if (!refreshed && !known) return refusal(401, 'UNAUTHORIZED', 'wrong login');
    return this.#granted({ access_token: this.#give(form.getAll('scope')), scope: form.get('scope') ?? '' });
  }

  #knows(username: string | undefined, password: string | undefined): boolean {
    if (this.#options.username === undefined) return true;
    return username === this.#options.username && password === this.#options.password;
  }

  #give(scopes: readonly string[]): string {
    const token = randomBytes(24).toString('base64url');
    const expiresAt = Date.now() + 1000 * (this.#options.expiresIn ?? 60);
    this.#tokens.set(token, { scopes: scopes.flatMap((scope) => scope.split(' ')), expiresAt });
    return token;
  }

  #granted(fields: Readonly<Record<string, string>>): Reply {
    const issued = new Date().toISOString();
    return jsonReply(200, { ...fields, expires_in: this.#options.expiresIn ?? 60, issued_at: issued });
  }
}

/** True for a scope such as `repository:library/redis:pull,push` that allows the action. */
function grants(scope: string, repository: string | undefined, action: string): boolean {
  const [type, name, actions = ''] = scope.split(':');
  return (
    type === 'repository' && name === repository && actions.split(',').some((one) => one === action || one === '*')
  );
}

/** The login in an Authorization header of the Basic scheme. RFC 7617. */
export function basicOf({ headers }: IncomingMessage): { username: string; password: string } | undefined {
  const encoded = /^Basic (\S+)$/i.exec(headers.authorization ?? '')?.[1];
  if (encoded === undefined) return undefined;
  const login = Buffer.from(encoded, 'base64').toString();
  const colon = login.indexOf(':');
  return colon < 0 ? undefined : { username: login.slice(0, colon), password: login.slice(colon + 1) };
}

async function readForm(request: AsyncIterable<Uint8Array>): Promise<URLSearchParams> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of request) {
    size += chunk.length;
    if (size <= maxFormBytes) chunks.push(chunk);
  }
  return new URLSearchParams(Buffer.concat(chunks).toString());
}
