import { verify } from 'node:crypto';
import { GantryError } from '@gantry/interface';
import { decodeJson } from '../json/decode-json.js';
import { JsonFields } from '../json/json-fields.js';
import { quote } from '../quote.js';
import { keyFields, readJsonWebKey } from './json-web-key.js';

/** A signature that was found right. It says that the holder of the key signed, not that the key is to be trusted. */
export interface VerifiedSignature {
  /** libtrust's fingerprint: twelve groups of four letters and digits. */
  readonly keyId: string;
  /** `ES256`, `RS256` and so on. RFC 7518, section 3.1. */
  readonly algorithm: string;
}

/** What was signed, and by which keys. */
export interface SignedPayload {
  readonly payload: Uint8Array;
  readonly signatures: readonly VerifiedSignature[];
}

const what = 'schema 1 manifest';
const documentFields = ['signatures'] as const;
const signatureFields = ['header', 'signature', 'protected'] as const;
const headerFields = ['alg', 'jwk', 'x5c'] as const;
const protectedFields = ['formatLength', 'formatTail'] as const;
const maxSignatures = 8;

type SignatureFields = JsonFields<(typeof signatureFields)[number]>;

/**
 * Verifies the signatures that stand inside a document as libtrust puts them there: JWS (RFC 7515) whose payload is the
 * document up to a length, and a tail. All must be right and be of one payload, else `INVALID_DOCUMENT`. Undefined for a
 * document without any.
 */
export function verifyPrettySignature(bytes: Uint8Array): SignedPayload | undefined {
  const document = JsonFields.decode(what, bytes, documentFields);
  const signatures = document.objects('signatures', signatureFields);
  const [first] = signatures;
  if (first === undefined) {
    if (document.has('signatures')) throw document.invalid('signatures', 'want at least one');
    return undefined;
  }
  if (signatures.length > maxSignatures) {
    throw new GantryError('LIMIT_EXCEEDED', `${what}: more than ${maxSignatures} signatures`, {
      details: { path: document.pathOf('signatures'), limit: maxSignatures },
    });
  }
  const payload = payloadOf(first, bytes);
  return {
    payload,
    signatures: signatures.map((signature) => {
      if (!payload.equals(payloadOf(signature, bytes))) {
        throw signature.invalid('protected', 'it is of another payload than the first signature');
      }
      return verifySignature(signature, payload);
    }),
  };
}

/** The document without its signatures: its first `formatLength` bytes, then `formatTail`. */
function payloadOf(signature: SignatureFields, bytes: Uint8Array): Buffer {
  const path = signature.pathOf('protected');
  const header = decodeJson(decodeBase64Url(signature, 'protected'), { what, at: path });
  const fields = new JsonFields(what, path, header, protectedFields);
  const length = fields.size('formatLength');
  if (length > bytes.byteLength) {
    throw fields.invalid('formatLength', `${length} is more than the document's ${bytes.byteLength} bytes`);
  }
  return Buffer.concat([bytes.subarray(0, length), decodeBase64Url(fields, 'formatTail')]);
}

function verifySignature(signature: SignatureFields, payload: Buffer): VerifiedSignature {
  const header = signature.requiredObject('header', headerFields);
  if (header.has('x5c')) {
    throw new GantryError(
      'UNSUPPORTED',
      `${what} at ${header.pathOf('x5c')}: a signature by certificates cannot be checked; want one with a jwk`,
      { details: { path: header.pathOf('x5c') } },
    );
  }
  const algorithm = header.requiredString('alg');
  const { key, id, algorithms } = readJsonWebKey(header.requiredObject('jwk', keyFields));
  const hash = algorithms.get(algorithm);
  if (hash === undefined) throw header.invalid('alg', `${quote(algorithm)} is not of the key's kind`);
  // RFC 7515, section 5.1: the header and the payload are signed as they are written, in base64url.
  const input = Buffer.from(`${signature.requiredString('protected')}.${payload.toString('base64url')}`);
  if (!verify(hash, input, { key, dsaEncoding: 'ieee-p1363' }, decodeBase64Url(signature, 'signature'))) {
    throw signature.invalid('signature', `not a signature of this document by key ${id}`);
  }
  return { keyId: id, algorithm };
}

function decodeBase64Url<Name extends string>(fields: JsonFields<Name>, name: Name): Buffer {
  const text = fields.requiredString(name);
  const bytes = Buffer.from(text, 'base64url');
  if (bytes.toString('base64url') !== text) throw fields.invalid(name, 'want base64url without padding');
  return bytes;
}
