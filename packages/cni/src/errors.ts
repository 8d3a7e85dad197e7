import { GantryError } from '@gantry/interface';

/** The `INVALID_ARGUMENT` error for a value of the caller's. */
export function invalid(field: string, problem: string): GantryError {
  return new GantryError('INVALID_ARGUMENT', `${field}: ${problem}`, { details: { field } });
}

/** The `INVALID_DOCUMENT` error for a configuration or a result; `path` is the JSON path of the fault. */
export function invalidDocument(source: string, path: string, problem: string, cause?: unknown): GantryError {
  return new GantryError('INVALID_DOCUMENT', `${source}: ${path} ${problem}`, { cause, details: { source, path } });
}
