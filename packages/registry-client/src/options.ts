import type { Credentials } from '@gantry/interface';
import type { CertificateSource } from './certificates.js';
import type { ProxyOptions } from './proxies.js';
import type { Transport } from './transport.js';

/** What a login is wanted for. */
export interface LoginRequest {
  /** `team/app`; undefined where no repository is asked for. */
  readonly repository?: string;
  /** Of the call that waits for the login. */
  readonly signal?: AbortSignal;
}

/** Where logins come from: a map by registry name, or a function that is asked once a call. `docker.io` is Docker Hub. */
export type CredentialSource =
  | ReadonlyMap<string, Credentials>
  | ((registry: string, request: LoginRequest) => Credentials | undefined | Promise<Credentials | undefined>);

/** Another place that has what a registry has. */
export interface RegistryMirror {
  /** `https://mirror.example`; in `https://mirror.example/hub` the path goes before the repository: `hub/library/redis`. */
  readonly url: string;
  /** For a whole manifest, and for the beginning of a blob, which then only has to move. Default 5000 ms. */
  readonly deadlineMs?: number;
  /** May be spoken to over plain HTTP; an `http:` URL wants it. */
  readonly insecure?: boolean;
  /**
   * The mirror's own login, else what the client's source of logins has for its host. It serves every caller of the
   * client: a mirror with a login lets all of them see what that login may see.
   */
  readonly credentials?: Credentials;
}

/** Deadlines. There is none for a whole blob unless `totalMs` is given: a large one may take long as long as it moves. */
export interface RegistryTimeouts {
  /** Name look-up, connection and TLS handshake. Default 10 000 ms. */
  readonly connectMs: number;
  /** The window in which a body must move `progressBytes`, and a response must begin. Default 30 000 ms. */
  readonly progressMs: number;
  /** Default 4096. */
  readonly progressBytes: number;
  /** One call of the client, its retries included. Default 24 days, the most. */
  readonly totalMs: number;
}

/** How often and how patiently a failed request is tried again: 408, 429, 500, 502 to 504, broken connections and stalls. */
export interface RegistryRetries {
  /** First one included, 1 to 5. Default 5. A registry that cannot be reached is tried at most twice. */
  readonly attempts: number;
  /** The wait before the second attempt, doubled for each one after. Default 500 ms. */
  readonly baseMs: number;
  /** The longest wait, at most 60 000 ms. A registry that asks for more by Retry-After is not tried again. Default 60 000 ms. */
  readonly capMs: number;
}

/** Settings of a registry client; all have defaults. */
export interface RegistryClientOptions {
  readonly credentials?: CredentialSource;
  /** Mirrors by registry, in the order in which they are tried for what is pulled, before the registry itself. */
  readonly mirrors?: ReadonlyMap<string, readonly RegistryMirror[]>;
  /** Registries, `host` or `host:port`, that may be spoken to over plain HTTP where they offer no TLS. Loopback hosts always may. */
  readonly insecure?: readonly string[];
  /** PEM certificates of authorities, used instead of Node.js's own. */
  readonly ca?: string | Uint8Array | readonly (string | Uint8Array)[];
  /** Authorities and client certificates of single hosts. */
  readonly certificates?: CertificateSource;
  /** Default: what the environment says when the client is made, `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY`. False for none. */
  readonly proxy?: ProxyOptions | false;
  readonly timeouts?: Partial<RegistryTimeouts>;
  readonly retries?: Partial<RegistryRetries>;
  /** Default `gantry`. */
  readonly userAgent?: string;
  /** Requests in progress at once, bodies included. Default 32. */
  readonly maxConcurrent?: number;
  /** The same for one registry or mirror, wherever its requests are redirected to. Default 16. */
  readonly maxConcurrentPerHost?: number;
  /** Replaces axios; `ca`, `certificates`, `proxy` and `connectMs` are then the transport's own affair. */
  readonly transport?: Transport;
}
