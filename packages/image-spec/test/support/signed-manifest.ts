import { createPublicKey, generateKeyPairSync, type JsonWebKey, type KeyObject, sign } from 'node:crypto';

/** A key pair and the algorithm that it signs by. */
export interface Signer {
  readonly algorithm: string;
  readonly hash: string;
  readonly privateKey: KeyObject;
  readonly jwk: JsonWebKey;
}

/** What of a signature to write otherwise than it should be. */
export interface SignatureChange {
  readonly header?: Readonly<Record<string, unknown>>;
  readonly jwk?: Readonly<Record<string, unknown>>;
  readonly protectedHeader?: Readonly<Record<string, unknown>>;
  readonly signature?: (signature: Buffer) => string;
}

export function curveSigner(namedCurve: 'P-256' | 'P-384' | 'P-521'): Signer {
  const bits = { 'P-256': '256', 'P-384': '384', 'P-521': '512' }[namedCurve];
  const { privateKey } = generateKeyPairSync('ec', { namedCurve });
  return { algorithm: `ES${bits}`, hash: `sha${bits}`, privateKey, jwk: publicJwk(privateKey) };
}

export function rsaSigner(bits: '256' | '384' | '512', modulusLength = 2048): Signer {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength });
  return { algorithm: `RS${bits}`, hash: `sha${bits}`, privateKey, jwk: publicJwk(privateKey) };
}

/** Signs a document as libtrust does: the signatures go in before its last two characters, which become the tail. */
export function signDocument(document: object, signers: readonly Signer[], change: SignatureChange = {}): Buffer {
  const payload = Buffer.from(JSON.stringify(document, undefined, 3));
  const head = payload.subarray(0, -2);
  const signatures = signers.map((signer) => {
    const protectedHeader = base64url({
      formatLength: head.length,
      formatTail: payload.subarray(-2).toString('base64url'),
      time: '2015-06-01T00:00:00Z',
      ...change.protectedHeader,
    });
    const input = Buffer.from(`${protectedHeader}.${payload.toString('base64url')}`);
    const signature = sign(signer.hash, input, { key: signer.privateKey, dsaEncoding: 'ieee-p1363' });
    return {
      header: { jwk: { ...signer.jwk, ...change.jwk }, alg: signer.algorithm, ...change.header },
      signature: change.signature?.(signature) ?? signature.toString('base64url'),
      protected: protectedHeader,
    };
  });
  return Buffer.concat([head, Buffer.from(`,\n   "signatures": ${JSON.stringify(signatures)}`), payload.subarray(-2)]);
}

function base64url(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}

function publicJwk(key: KeyObject): JsonWebKey {
  return createPublicKey(key).export({ format: 'jwk' });
}
