import { type ErrorDetails, GantryError } from '@gantry/interface';

/** The `REFUSED` error of an isolator: what it cannot meet and what to do about it. */
export function refused(
  isolator: string,
  problem: string,
  remedy: string,
  options: { readonly cause?: unknown; readonly details?: ErrorDetails } = {},
): GantryError {
  return new GantryError('REFUSED', `${isolator}: ${problem}; ${remedy}`, {
    ...(options.cause === undefined ? {} : { cause: options.cause }),
    details: { isolator, ...options.details },
  });
}

/** The `INVALID_ARGUMENT` error for a field of the container's spec. */
export function invalidField(field: string, problem: string): GantryError {
  return new GantryError('INVALID_ARGUMENT', `${field}: ${problem}`, { details: { field } });
}
