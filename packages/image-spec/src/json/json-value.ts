/** A decoded JSON value. Objects have no prototype, so that no key of a document is special. */
export type JsonValue = null | boolean | number | string | readonly JsonValue[] | JsonObject;

/** A decoded JSON object: a null-prototype record. */
export interface JsonObject {
  readonly [key: string]: JsonValue | undefined;
}
