import { GantryError, isGantryError } from '@gantry/interface';
import { again, Fault, type FaultAdvice, never } from './fault.js';
import { ProxyFailure } from './tunnel-agent.js';

/** Why no connection came about, by the code of Node.js's error, and what to do about it. */
const unreachable: ReadonlyMap<string, string> = new Map([
  ['ENOTFOUND', 'its name is not known; check the spelling and the DNS'],
  ['EAI_AGAIN', 'its name could not be looked up; check the DNS and the network'],
  ['ECONNREFUSED', 'nothing listens there; check the port and that the registry runs'],
  ['ETIMEDOUT', 'it does not answer; check the network and firewalls'],
  ['EHOSTUNREACH', 'there is no way to it; check the network'],
  ['ENETUNREACH', 'there is no way to it; check the network'],
  ['EHOSTDOWN', 'it is down'],
  ['EADDRNOTAVAIL', 'this host has no address to reach it from'],
]);

const certificateCodes: ReadonlySet<string> = new Set([
  'CERT_HAS_EXPIRED',
  'CERT_NOT_YET_VALID',
  'CERT_UNTRUSTED',
  'CERT_REJECTED',
  'CERT_SIGNATURE_FAILURE',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'ERR_TLS_CERT_ALTNAME_INVALID',
  'INVALID_CA',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
]);

/** A second look is cheap and helps while a registry restarts; more would keep the caller waiting for nothing. */
const twice: FaultAdvice = { attempts: 2 };

/** Says what a transport's error means for the request to `url`, made in the course of `what`. */
export function connectionFault(what: string, url: URL, cause: unknown): Fault {
  if (isGantryError(cause)) return new Fault(cause, never);
  const code = codeOf(cause);
  const details = { host: url.host, errno: code };
  const fail = (reason: string) =>
    new GantryError('UNREACHABLE', `${what}: cannot reach ${url.host}: ${reason}`, { cause, details });

  if (cause instanceof ProxyFailure) return new Fault(fail(cause.message), twice);
  const remedy = unreachable.get(code);
  if (remedy !== undefined) {
    return new Fault(fail(`${code}: ${remedy}`), code === 'ECONNREFUSED' ? { ...twice, kind: 'refused' } : twice);
  }
  if (certificateCodes.has(code)) {
    return new Fault(fail(`${code}: its certificate is not trusted; give its authority in \`ca\``), never);
  }
  if (url.protocol === 'https:' && isTlsFailure(code, cause)) {
    const reason = 'it does not speak TLS as it should; a registry over plain HTTP must be listed in `insecure`';
    return new Fault(fail(reason), { ...never, kind: 'no-tls' });
  }
  const malformed = code.startsWith('HPE_');
  const reason = malformed ? `its answer is not HTTP (${code})` : `the connection broke (${code || messageOf(cause)})`;
  const error = new GantryError('REGISTRY_ERROR', `${what}: ${url.host}: ${reason}`, { cause, details });
  return new Fault(error, malformed ? never : again);
}

function isTlsFailure(code: string, cause: unknown): boolean {
  return code === 'EPROTO' || code.startsWith('ERR_SSL_') || messageOf(cause).includes('before secure TLS connection');
}

function codeOf(error: unknown): string {
  const { code } = (typeof error === 'object' && error !== null ? error : {}) as { code?: unknown };
  return typeof code === 'string' ? code : '';
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
