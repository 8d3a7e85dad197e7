import { readSmallFile } from './durable.js';

const utf8 = new TextDecoder();

/** A JSON object of a small file; undefined if the file is absent, too large, or holds anything else. */
export function readRecord(path: string, maxBytes: number): Readonly<Record<string, unknown>> | undefined {
  const bytes = readSmallFile(path, maxBytes);
  if (!bytes) return undefined;
  try {
    return fieldsOf(JSON.parse(utf8.decode(bytes)));
  } catch {
    return undefined;
  }
}

/** The fields of an object; none of anything else. */
export function fieldsOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}
