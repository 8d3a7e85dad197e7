import {
  type CallOptions,
  type ContainerId,
  type GantryError,
  isGantryError,
  raceAbort,
  type SecretReference,
  type SecretResolver,
} from '@gantry/interface';
import { refused } from '../errors.js';

/** What fits, with the rest of a launch, into what the shim takes. */
export const maxSecretBytes = 512 * 1024;

/** Asks for one secret. `REFUSED`, with the resolver's own reason, if it cannot be had. */
export async function resolveSecret(
  isolator: string,
  resolver: SecretResolver | undefined,
  reference: SecretReference,
  { field, container, signal }: CallOptions & { readonly field: string; readonly container: ContainerId },
): Promise<Uint8Array> {
  if (!resolver) throw withoutResolver(isolator, field);
  const what = `${isolator}: ${field}: the secret ${named(reference)}`;
  let value: Uint8Array | string;
  try {
    const asked = resolver.resolve(reference, { container, ...(signal ? { signal } : {}) });
    value = await raceAbort(asked, signal, what);
  } catch (cause) {
    if (isGantryError(cause, 'ABORTED')) throw cause;
    const reason = cause instanceof Error ? cause.message : 'it gave no reason';
    throw refused(
      isolator,
      `${field}: the secret ${named(reference)} was not given: ${reason}`,
      'see to the resolver',
      {
        cause,
        details: { field, secret: reference },
      },
    );
  }
  if (typeof value === 'string') return Buffer.from(value);
  if (value instanceof Uint8Array) return value;
  throw refused(isolator, `${field}: the secret ${named(reference)} is neither text nor bytes`, 'see to the resolver', {
    details: { field, secret: reference },
  });
}

export function withoutResolver(isolator: string, field: string): GantryError {
  return refused(isolator, `${field}: there is nobody to ask for secrets`, 'give createContainerizer a resolver', {
    details: { field },
  });
}

function named({ name, key }: SecretReference): string {
  return key === undefined ? name : `${name} (${key})`;
}
