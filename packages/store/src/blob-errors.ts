import { type Descriptor, type Digest, GantryError } from '@gantry/interface';

export function sizeMismatch(descriptor: Descriptor, received: number): GantryError {
  const amount = received > descriptor.size ? `more than ${descriptor.size}` : `${received}`;
  return new GantryError(
    'SIZE_MISMATCH',
    `blob ${descriptor.digest}: ${amount} bytes came where ${descriptor.size} were announced`,
    { details: { digest: descriptor.digest, expected: descriptor.size, received } },
  );
}

export function digestMismatch(expected: Digest, actual: string): GantryError {
  return new GantryError('DIGEST_MISMATCH', `blob ${expected}: the content that came has digest ${actual}`, {
    details: { expected, actual },
  });
}

export function blobNotFound(digest: Digest): GantryError {
  return new GantryError('NOT_FOUND', `blob ${digest} is not in the store: pull an image that holds it`, {
    details: { digest },
  });
}

export function blobDamaged(digest: Digest): GantryError {
  return new GantryError(
    'DIGEST_MISMATCH',
    `blob ${digest} was damaged on disk and is discarded: pull its image again`,
    { details: { digest } },
  );
}
