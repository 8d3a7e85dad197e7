import { parseRegistry } from '@gantry/image-spec';
import { type Credentials, GantryError } from '@gantry/interface';
import { createAxiosTransport } from './axios-transport.js';
import type { Transport } from './transport.js';

/** Where logins come from: a map by registry name, or a function that is asked once a call. `docker.io` is Docker Hub. */
export type CredentialSource =
  | ReadonlyMap<string, Credentials>
  | ((registry: string) => Credentials | undefined | Promise<Credentials | undefined>);

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
  /** Registries, `host` or `host:port`, that may be spoken to over plain HTTP where they offer no TLS. Loopback hosts always may. */
  readonly insecure?: readonly string[];
  /** PEM certificates of authorities, used instead of Node.js's own. */
  readonly ca?: string | Uint8Array | readonly (string | Uint8Array)[];
  readonly timeouts?: Partial<RegistryTimeouts>;
  readonly retries?: Partial<RegistryRetries>;
  /** Default `gantry`. */
  readonly userAgent?: string;
  /** Requests in progress at once, bodies included. Default 32. */
  readonly maxConcurrent?: number;
  /** Replaces axios; `ca` and `connectMs` are then the transport's own affair. */
  readonly transport?: Transport;
}

/** Options with every default filled in. */
export interface Settings {
  readonly credentialsFor: (registry: string) => Promise<Credentials | undefined>;
  readonly insecure: ReadonlySet<string>;
  readonly timeouts: RegistryTimeouts;
  readonly retries: RegistryRetries;
  readonly userAgent: string;
  readonly maxConcurrent: number;
  readonly transport: Transport;
}

/** What setTimeout can hold: 24 days. */
const longestTimerMs = 2 ** 31 - 1;
const mostAttempts = 5;
const longestWaitMs = 60_000;

/** Checks the options, `INVALID_ARGUMENT` with `details.field`, and fills in the defaults. */
export function resolveOptions(options: RegistryClientOptions): Settings {
  const timeouts = {
    connectMs: within('timeouts.connectMs', options.timeouts?.connectMs ?? 10_000, 1, longestTimerMs),
    progressMs: within('timeouts.progressMs', options.timeouts?.progressMs ?? 30_000, 1, longestTimerMs),
    progressBytes: within('timeouts.progressBytes', options.timeouts?.progressBytes ?? 4096, 1),
    totalMs: within('timeouts.totalMs', options.timeouts?.totalMs ?? longestTimerMs, 1, longestTimerMs),
  };
  const retries = {
    attempts: within('retries.attempts', options.retries?.attempts ?? mostAttempts, 1, mostAttempts),
    baseMs: within('retries.baseMs', options.retries?.baseMs ?? 500, 0, longestWaitMs),
    capMs: within('retries.capMs', options.retries?.capMs ?? longestWaitMs, 0, longestWaitMs),
  };
  const userAgent = options.userAgent ?? 'gantry';
  if (!/^[\x20-\x7e]+$/.test(userAgent)) throw invalid('userAgent', 'want printable ASCII');
  return {
    credentialsFor: credentialLookup(options.credentials),
    insecure: new Set((options.insecure ?? []).map(parseRegistry)),
    timeouts,
    retries,
    userAgent,
    maxConcurrent: within('maxConcurrent', options.maxConcurrent ?? 32, 1),
    transport: options.transport ?? createAxiosTransport({ ca: options.ca, connectMs: timeouts.connectMs }),
  };
}

function credentialLookup(source: CredentialSource | undefined): Settings['credentialsFor'] {
  if (source === undefined) return async () => undefined;
  if (typeof source === 'function') return async (registry) => source(registry);
  const logins = new Map([...source].map(([registry, credentials]) => [parseRegistry(registry), credentials]));
  return async (registry) => logins.get(registry);
}

function within(field: string, value: number, least: number, most = Number.POSITIVE_INFINITY): number {
  if (typeof value === 'number' && value >= least && value <= most) return value;
  throw invalid(field, `want a number from ${least} to ${most}`);
}

function invalid(field: string, reason: string): GantryError {
  return new GantryError('INVALID_ARGUMENT', `registry client option ${field}: ${reason}`, { details: { field } });
}
