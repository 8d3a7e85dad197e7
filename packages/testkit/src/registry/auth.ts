import type { IncomingMessage } from 'node:http';
import { type Reply, refusal } from './reply.js';
import { type Access, type BearerOptions, basicOf, TokenService } from './token-service.js';

/** Who may use a registry. */
export type AuthOptions =
  | { readonly basic: { readonly username: string; readonly password: string } }
  | { readonly bearer: BearerOptions };

/** Decides about a request: undefined lets it pass, else the refusal to answer with. */
export interface Gate {
  check(request: IncomingMessage, access: Access | undefined): Reply | undefined;
  /** Answers requests to the token endpoint, if there is one. */
  readonly tokens?: TokenService;
}

export function createGate(auth: AuthOptions | undefined): Gate {
  if (!auth) return { check: () => undefined };
  return 'basic' in auth ? basicGate(auth.basic) : bearerGate(new TokenService(auth.bearer));
}

function basicGate(login: { readonly username: string; readonly password: string }): Gate {
  const headers = { 'WWW-Authenticate': 'Basic realm="test registry"' };
  return {
    check: (request) => {
      const given = basicOf(request);
      const good = given?.username === login.username && given.password === login.password;
      return good ? undefined : refusal(401, 'UNAUTHORIZED', 'a login is needed', headers);
    },
  };
}

function bearerGate(tokens: TokenService): Gate {
  return {
    tokens,
    check: (request, access) => {
      const token = /^Bearer (\S+)$/i.exec(request.headers.authorization ?? '')?.[1];
      const verdict = token === undefined ? 'absent' : tokens.judge(token, access);
      if (verdict === 'good') return undefined;
      const error = { absent: '', invalid: ',error="invalid_token"', insufficient: ',error="insufficient_scope"' }[
        verdict
      ];
      const scope = access ? `,scope="repository:${access.repository}:${access.actions.join(',')}"` : '';
      const challenge = `Bearer realm="http://${request.headers.host}/token",service="${tokens.service}"${scope}${error}`;
      return refusal(401, 'UNAUTHORIZED', 'a token is needed', { 'WWW-Authenticate': challenge });
    },
  };
}
