import { STATUS_CODES } from 'node:http';
import { decodeJson, type JsonObject, type JsonValue } from '@gantry/image-spec';
import { type ErrorCode, GantryError } from '@gantry/interface';
import type { Call } from './call.js';
import { again, Fault, type FaultAdvice, never } from './fault.js';
import { type Reply, readUpTo } from './reply.js';
import { retryAfterMs } from './retries.js';

interface RegistryFault {
  readonly code: string;
  readonly message: string;
}

const longestErrorBody = 64 * 1024;
const longestText = 256;
const temporary: ReadonlySet<number> = new Set([408, 429, 500, 502, 503, 504]);

/** What was asked for: something of a registry, a token, or a file of any web server. */
type Step = 'registry' | 'login' | 'file';

/** The fault that an unwanted status means; it reads the server's own explanation, at most 64 KiB of it, and closes the reply. */
export async function statusFault(call: Call, reply: Reply, step: Step = 'registry'): Promise<Fault> {
  const { status, url } = reply;
  const faults = await readFaults(call, reply);
  const code = codeOf(status, step);
  const said = faults.map((fault) => [fault.code, fault.message].filter((part) => part).join(' ')).join('; ');
  const parts = [
    `${call.what}: ${url.host} answered ${status} ${STATUS_CODES[status] ?? ''}`.trimEnd(),
    ...(said ? [said] : []),
    ...(code === 'UNAUTHORIZED' && step !== 'file' ? [remedy(call)] : []),
  ];
  const details = { status, registry: call.registry, host: url.host, errors: faults };
  return new Fault(new GantryError(code, parts.join(': '), { details }), advice(reply));
}

function codeOf(status: number, step: Step): ErrorCode {
  if (status === 401 || status === 403 || (step === 'login' && status === 400)) return 'UNAUTHORIZED';
  return status === 404 && step !== 'login' ? 'NOT_FOUND' : 'REGISTRY_ERROR';
}

function remedy(call: Call): string {
  return call.credentials
    ? 'the login was refused; check the user name, the password or token, and its rights'
    : 'the repository does not exist or wants a login; give credentials';
}

function advice(reply: Reply): FaultAdvice {
  if (!temporary.has(reply.status)) return never;
  const waitMs = retryAfterMs(reply.headers.get('retry-after'), Date.now());
  return waitMs !== undefined && (reply.status === 429 || reply.status === 503) ? { ...again, waitMs } : again;
}

/** What the registry says went wrong (OCI distribution-spec, error codes); nothing if it does not say it in JSON. */
async function readFaults(call: Call, reply: Reply): Promise<readonly RegistryFault[]> {
  try {
    const { bytes } = await readUpTo(reply, longestErrorBody);
    const errors = member(decodeJson(bytes, { what: 'error' }), 'errors');
    const list: readonly JsonValue[] = Array.isArray(errors) ? errors.slice(0, 5) : [];
    return list.map((error) => ({
      code: readable(call, member(error, 'code')),
      message: readable(call, member(error, 'message')),
    }));
  } catch {
    // The status alone decides; an explanation that cannot be read adds nothing.
    call.throwIfEnded();
    return [];
  } finally {
    reply.close();
  }
}

function member(value: JsonValue | undefined, name: string): JsonValue | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as JsonObject)[name] : undefined;
}

/** A server's text for a message: one line, of bounded length, without the secrets that it may echo. */
function readable(call: Call, value: JsonValue | undefined): string {
  if (typeof value !== 'string') return '';
  return call
    .redact(value)
    .replace(/[\p{Cc}\p{Cf}\s]+/gu, ' ')
    .slice(0, longestText);
}
