import { GantryError } from '@gantry/interface';
import { JsonReader } from './json-reader.js';
import type { JsonValue } from './json-value.js';

/** Budgets of one document. */
export interface JsonLimits {
  /** Names the document in errors. Default `document`. */
  readonly what?: string;
  /** The JSON path of a document that is a string of another; faults are told from there. Default `$`. */
  readonly at?: string;
  /** Default 4 MiB. */
  readonly maxBytes?: number;
  /** Nesting of objects and arrays. Default 64. */
  readonly maxDepth?: number;
  /** Object keys and array elements together. Default 20 000. */
  readonly maxKeys?: number;
  /** UTF-16 units of one key or string. Default 1 Mi. */
  readonly maxStringLength?: number;
}

/** The most bytes that a manifest, an index or a config may have: 4 MiB. */
export const maxDocumentBytes = 4 * 1024 * 1024;

/**
 * Decodes JSON that a stranger wrote, in time linear in its size. Stricter than JSON.parse: invalid UTF-8, duplicate keys,
 * lone surrogates and integers beyond 2^53 - 1 are refused. `INVALID_DOCUMENT` or, over a budget, `LIMIT_EXCEEDED`; both
 * have the JSON path of the fault in `details.path`.
 */
export function decodeJson(bytes: Uint8Array, limits: JsonLimits = {}): JsonValue {
  const { what = 'document', at = '$', maxBytes = maxDocumentBytes } = limits;
  if (bytes.byteLength > maxBytes) {
    throw new GantryError('LIMIT_EXCEEDED', `${what}: ${bytes.byteLength} bytes, more than the ${maxBytes} allowed`, {
      details: { path: at, limit: maxBytes },
    });
  }
  return decodeJsonText(decodeUtf8(bytes, what, at), limits);
}

/** Decodes JSON that is a string inside another document, whose budget of bytes it has passed. */
export function decodeJsonText(text: string, limits: Omit<JsonLimits, 'maxBytes'>): JsonValue {
  const { what = 'document', at = '$', maxDepth = 64, maxKeys = 20_000, maxStringLength = 2 ** 20 } = limits;
  return new JsonReader(text, { what, at, maxDepth, maxKeys, maxStringLength }).readDocument();
}

function decodeUtf8(bytes: Uint8Array, what: string, path: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (cause) {
    throw new GantryError('INVALID_DOCUMENT', `${what}: not UTF-8`, { cause, details: { path } });
  }
}
