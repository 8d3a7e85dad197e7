import { GantryError } from '@gantry/interface';

/** `UNSUPPORTED`: the document asks for something that no step can do. `field` is its JSON path. */
export function unsupported(field: string, why: string): GantryError {
  return new GantryError('UNSUPPORTED', `${field}: ${why}`, { details: { field } });
}

/** `INVALID_DOCUMENT`: the document breaks the OCI runtime specification at `path`. */
export function invalid(path: string, why: string): GantryError {
  return new GantryError('INVALID_DOCUMENT', `${path}: ${why}`, { details: { path } });
}

/** Returns an absolute path as it is; anything else is `INVALID_DOCUMENT`. */
export function absolutePath(value: string, path: string): string {
  if (!value.startsWith('/') || value.includes('\0')) {
    throw invalid(path, `${JSON.stringify(value)} is not an absolute path`);
  }
  return value;
}

/** Returns an integer of the range as it is; anything else is `INVALID_DOCUMENT`. */
export function integer(value: number, low: number, high: number, path: string): number {
  if (!Number.isInteger(value) || value < low || value > high) {
    throw invalid(path, `${value} is not an integer from ${low} to ${high}`);
  }
  return value;
}

/** The largest uid, gid or device number; all ones means "no id" to the kernel. */
export const maxId = 0xfffffffe;
