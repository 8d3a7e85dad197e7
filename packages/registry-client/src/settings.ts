import { parseRegistry } from '@gantry/image-spec';
import { type Credentials, GantryError } from '@gantry/interface';
import { createAxiosTransport } from './axios-transport.js';
import { type Mirror, resolveMirrors } from './mirror-settings.js';
import type {
  CredentialSource,
  LoginRequest,
  RegistryClientOptions,
  RegistryRetries,
  RegistryTimeouts,
} from './options.js';
import type { Transport } from './transport.js';

/** Options with every default filled in. */
export interface Settings {
  readonly credentialsFor: (registry: string, request: LoginRequest) => Promise<Credentials | undefined>;
  readonly mirrors: ReadonlyMap<string, readonly Mirror[]>;
  readonly insecure: ReadonlySet<string>;
  readonly timeouts: RegistryTimeouts;
  readonly retries: RegistryRetries;
  readonly userAgent: string;
  readonly maxConcurrent: number;
  readonly maxConcurrentPerHost: number;
  readonly transport: Transport;
}

/** What setTimeout can hold: 24 days. */
const longestTimerMs = 2 ** 31 - 1;
const mostAttempts = 5;
const longestWaitMs = 60_000;

/** Checks the options, `INVALID_ARGUMENT` with `details.field`, and fills in the defaults. */
export function resolveOptions(options: RegistryClientOptions): Settings {
  const timer = (name: keyof RegistryTimeouts, byDefault: number) =>
    within(`timeouts.${name}`, options.timeouts?.[name] ?? byDefault, 1, longestTimerMs);
  const timeouts = {
    connectMs: timer('connectMs', 10_000),
    progressMs: timer('progressMs', 30_000),
    progressBytes: within('timeouts.progressBytes', options.timeouts?.progressBytes ?? 4096, 1),
    totalMs: timer('totalMs', longestTimerMs),
  };
  const retries = {
    attempts: within('retries.attempts', options.retries?.attempts ?? mostAttempts, 1, mostAttempts),
    baseMs: within('retries.baseMs', options.retries?.baseMs ?? 500, 0, longestWaitMs),
    capMs: within('retries.capMs', options.retries?.capMs ?? longestWaitMs, 0, longestWaitMs),
  };
  const userAgent = options.userAgent ?? 'gantry';
  if (!/^[\x20-\x7e]+$/.test(userAgent)) throw invalid('userAgent', 'want printable ASCII');
  const mirrors = resolveMirrors(options.mirrors, longestTimerMs);
  const insecureMirrors = [...mirrors.values()].flat().filter((mirror) => mirror.insecure);
  return {
    credentialsFor: credentialLookup(options.credentials),
    mirrors,
    insecure: new Set([
      ...(options.insecure ?? []).map(parseRegistry),
      ...insecureMirrors.map((mirror) => mirror.registry),
    ]),
    timeouts,
    retries,
    userAgent,
    maxConcurrent: within('maxConcurrent', options.maxConcurrent ?? 32, 1),
    maxConcurrentPerHost: within('maxConcurrentPerHost', options.maxConcurrentPerHost ?? 16, 1),
    transport: options.transport ?? createAxiosTransport({ ...options, connectMs: timeouts.connectMs }),
  };
}

function credentialLookup(source: CredentialSource | undefined): Settings['credentialsFor'] {
  if (source === undefined) return async () => undefined;
  if (typeof source === 'function') return async (registry, request) => source(registry, request);
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
