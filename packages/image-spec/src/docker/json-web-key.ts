import { createHash, createPublicKey, type JsonWebKey, type KeyObject } from 'node:crypto';
import type { JsonFields } from '../json/json-fields.js';
import { quote } from '../quote.js';

/** A public key that verifies signatures of one algorithm family. */
export interface VerifyingKey {
  readonly key: KeyObject;
  /** libtrust's fingerprint of the key. */
  readonly id: string;
  /** JWA names of what the key may verify (RFC 7518, section 3.1) with the hash of each. */
  readonly algorithms: ReadonlyMap<string, string>;
}

export const keyFields = ['kty', 'crv', 'x', 'y', 'n', 'e', 'kid'] as const;

type KeyFields = JsonFields<(typeof keyFields)[number]>;

const curves: ReadonlyMap<string, ReadonlyMap<string, string>> = new Map([
  ['P-256', new Map([['ES256', 'sha256']])],
  ['P-384', new Map([['ES384', 'sha384']])],
  ['P-521', new Map([['ES512', 'sha512']])],
]);
const rsaAlgorithms: ReadonlyMap<string, string> = new Map([
  ['RS256', 'sha256'],
  ['RS384', 'sha384'],
  ['RS512', 'sha512'],
]);
/** Shorter ones are forged, longer ones are there to waste time. */
const rsaBits = { least: 2048, most: 8192 };
const largestExponent = 2n ** 32n;

/** Reads a JSON Web Key (RFC 7517) of an elliptic curve or RSA; its `kid`, if it has one, must be libtrust's. */
export function readJsonWebKey(fields: KeyFields): VerifyingKey {
  const type = fields.requiredString('kty');
  if (type !== 'EC' && type !== 'RSA') throw fields.invalid('kty', `${quote(type)} is neither "EC" nor "RSA"`);
  const { key, algorithms } = type === 'EC' ? readCurveKey(fields) : readRsaKey(fields);
  const id = libtrustKeyId(key);
  const claimed = fields.string('kid');
  if (claimed !== undefined && claimed !== id) throw fields.invalid('kid', `the key is ${id}, not ${quote(claimed)}`);
  return { key, id, algorithms };
}

/**
 * libtrust's fingerprint of a public key: the first 240 bits of the SHA-256 of its SubjectPublicKeyInfo in base32, in
 * twelve groups of four.
 */
export function libtrustKeyId(key: KeyObject): string {
  const hash = createHash('sha256')
    .update(key.export({ type: 'spki', format: 'der' }))
    .digest();
  return (base32(hash.subarray(0, 30)).match(/.{4}/g) ?? []).join(':');
}

function readCurveKey(fields: KeyFields): Omit<VerifyingKey, 'id'> {
  const crv = fields.requiredString('crv');
  const algorithms = curves.get(crv);
  if (algorithms === undefined) throw fields.invalid('crv', `${quote(crv)} is not P-256, P-384 or P-521`);
  const point = { x: fields.requiredString('x'), y: fields.requiredString('y') };
  return { key: importKey(fields, { kty: 'EC', crv, ...point }), algorithms };
}

function readRsaKey(fields: KeyFields): Omit<VerifyingKey, 'id'> {
  const key = importKey(fields, { kty: 'RSA', n: fields.requiredString('n'), e: fields.requiredString('e') });
  const { modulusLength = 0, publicExponent = 0n } = key.asymmetricKeyDetails ?? {};
  if (modulusLength < rsaBits.least || modulusLength > rsaBits.most || publicExponent >= largestExponent) {
    throw fields.invalid('n', `want an RSA key of ${rsaBits.least} to ${rsaBits.most} bits and a short exponent`);
  }
  return { key, algorithms: rsaAlgorithms };
}

function importKey(fields: KeyFields, jwk: JsonWebKey): KeyObject {
  try {
    return createPublicKey({ key: jwk, format: 'jwk' });
  } catch (cause) {
    throw fields.invalid('kty', 'the key is malformed', cause);
  }
}

/** RFC 4648, section 6, for a multiple of 5 bytes, which needs no padding. */
function base32(bytes: Uint8Array): string {
  const bits = Array.from(bytes, (byte) => byte.toString(2).padStart(8, '0')).join('');
  return (bits.match(/.{5}/g) ?? [])
    .map((five) => 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'[Number.parseInt(five, 2)])
    .join('');
}
