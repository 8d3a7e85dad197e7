/**
 * The closed set of reasons for which a Gantry call fails. A code is stable; a message is for people.
 *
 * - `INVALID_ARGUMENT`: a caller's value is malformed; `details.field` names it.
 * - `INVALID_DOCUMENT`: a manifest, config or state document breaks its specification; `details.path` is the JSON path of the fault.
 * - `INVALID_ARCHIVE`: a layer archive is malformed or hostile; `details.entry` names the entry where known.
 * - `LIMIT_EXCEEDED`: a size, count, depth or ratio budget ran out.
 * - `NOT_FOUND`, `ALREADY_EXISTS`: of a container, image, blob or file.
 * - `CONFLICT`: two isolators ask for different things; `details.isolators` names both.
 * - `WRONG_STATE`: the container is not in a state that allows the call.
 * - `ABORTED`: the caller's AbortSignal fired; the cause is the signal's reason.
 * - `TIMEOUT`: a deadline or progress deadline passed.
 * - `UNREACHABLE`: no connection to a registry or token service could be made.
 * - `UNAUTHORIZED`: a registry wants a login, or refused the one given.
 * - `REGISTRY_ERROR`: a registry answered with an error or against its protocol; `details.status` is the HTTP status.
 * - `DIGEST_MISMATCH`, `SIZE_MISMATCH`: content is not what its descriptor says.
 * - `UNSUPPORTED`: a media type, feature or host ability that is not there.
 * - `NO_PLATFORM`: an index holds no manifest for the platform asked for.
 * - `PERMISSION_DENIED`: a privilege of the host program is missing.
 * - `PLUGIN_ERROR`: a plugin, a program of others', failed or answered against its protocol; `details.plugin`, and what it told.
 * - `REFUSED`: an isolator cannot meet the request; nothing was started.
 * - `LAUNCH_FAILED`: a step of the launch plan failed in the shim; `details` has its `name`, `step` (index), `errno` and `path`.
 * - `SHIM_LOST`: the shim of a container ended or broke its protocol.
 * - `CLEANUP_FAILED`: one or more clean-up steps failed and will be retried; `details.steps` lists them.
 * - `CORRUPT_STATE`: a durable record of ours is torn or of an unknown version.
 * - `SYSTEM`: a system call failed; `details.syscall` and `details.errno`.
 * - `CLOSED`: the object was closed before or during the call.
 */
export type ErrorCode =
  | 'INVALID_ARGUMENT'
  | 'INVALID_DOCUMENT'
  | 'INVALID_ARCHIVE'
  | 'LIMIT_EXCEEDED'
  | 'NOT_FOUND'
  | 'ALREADY_EXISTS'
  | 'CONFLICT'
  | 'WRONG_STATE'
  | 'ABORTED'
  | 'TIMEOUT'
  | 'UNREACHABLE'
  | 'UNAUTHORIZED'
  | 'REGISTRY_ERROR'
  | 'DIGEST_MISMATCH'
  | 'SIZE_MISMATCH'
  | 'UNSUPPORTED'
  | 'NO_PLATFORM'
  | 'PERMISSION_DENIED'
  | 'PLUGIN_ERROR'
  | 'REFUSED'
  | 'LAUNCH_FAILED'
  | 'SHIM_LOST'
  | 'CLEANUP_FAILED'
  | 'CORRUPT_STATE'
  | 'SYSTEM'
  | 'CLOSED';

/** Facts about a failure for programs: plain JSON values only. */
export type ErrorDetails = Readonly<Record<string, unknown>>;

export interface GantryErrorOptions {
  readonly cause?: unknown;
  readonly details?: ErrorDetails;
}

const brand = Symbol.for('gantry.error');

/** The one error class of every Gantry package. Test with {@link isGantryError}: it works across copies of this package. */
export class GantryError extends Error {
  readonly code: ErrorCode;
  readonly details: ErrorDetails;
  readonly [brand] = true;

  constructor(code: ErrorCode, message: string, options: GantryErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'GantryError';
    this.code = code;
    this.details = options.details ?? {};
  }
}

/** True for a {@link GantryError} of any copy of this package, of the given code if there is one. */
export function isGantryError(value: unknown, code?: ErrorCode): value is GantryError {
  return (
    typeof value === 'object' &&
    value !== null &&
    (value as { [brand]?: unknown })[brand] === true &&
    (code === undefined || (value as GantryError).code === code)
  );
}

/** The errno name (`ENOENT`) of a Node.js system error, or undefined for anything else. */
export function errnoOf(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null) return undefined;
  const { code, errno, syscall } = error as { code?: unknown; errno?: unknown; syscall?: unknown };
  return typeof code === 'string' && (typeof errno === 'number' || typeof syscall === 'string') ? code : undefined;
}

/**
 * Turns whatever was thrown into a {@link GantryError}. One that already is passes through unchanged; a Node.js
 * system error becomes `SYSTEM` (or `PERMISSION_DENIED` for EPERM and EACCES) with its syscall, errno and path.
 */
export function toGantryError(error: unknown, what: string): GantryError {
  if (isGantryError(error)) return error;
  const errno = errnoOf(error);
  const reason = error instanceof Error ? error.message : String(error);
  const { syscall, path } = (typeof error === 'object' && error !== null ? error : {}) as {
    syscall?: string;
    path?: string;
  };
  const code: ErrorCode = errno === 'EPERM' || errno === 'EACCES' ? 'PERMISSION_DENIED' : 'SYSTEM';
  return new GantryError(code, `${what}: ${reason}`, { cause: error, details: { errno, syscall, path } });
}
