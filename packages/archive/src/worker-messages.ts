import { type ErrorCode, type ErrorDetails, errnoOf, GantryError, toGantryError } from '@gantry/interface';
import type { UnpackJob, UnpackResult } from './unpack-layer.js';

/** What the host asks of a worker; one request at a time. */
export type WorkerRequest =
  | { readonly type: 'unpack'; readonly job: UnpackJob }
  | { readonly type: 'remove'; readonly path: string };

/** What a worker answers: any number of `progress`, then one of the others. */
export type WorkerResponse =
  | { readonly type: 'progress'; readonly current: number; readonly total: number }
  | { readonly type: 'done'; readonly result: UnpackResult }
  | { readonly type: 'failed'; readonly error: PortableError };

/** A {@link GantryError} as a thread can send it: a structured clone loses an error's own fields. */
export interface PortableError {
  readonly code: ErrorCode;
  readonly message: string;
  readonly details: ErrorDetails;
  readonly stack: string | undefined;
  readonly cause: { readonly message: string; readonly errno: string | undefined } | undefined;
}

/** Flattens whatever a worker caught. */
export function packError(thrown: unknown): PortableError {
  const { code, message, details, stack, cause } = toGantryError(thrown, 'unpacking a layer');
  return {
    code,
    message,
    // Details are plain JSON values by contract.
    details,
    stack,
    cause: cause instanceof Error ? { message: cause.message, errno: errnoOf(cause) } : undefined,
  };
}

/** Makes it an error again; the cause is an Error with the original's message and, of a system error, its `code`. */
export function unpackError({ code, message, details, stack, cause }: PortableError): GantryError {
  const original = cause && Object.assign(new Error(cause.message), cause.errno ? { code: cause.errno } : {});
  const error = new GantryError(code, message, original ? { cause: original, details } : { details });
  if (stack !== undefined) error.stack = stack;
  return error;
}
