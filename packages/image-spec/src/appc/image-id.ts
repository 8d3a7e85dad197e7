import { type Digest, GantryError } from '@gantry/interface';
import type { JsonFields } from '../json/json-fields.js';
import { quote } from '../quote.js';

const hexGrammar = /^[0-9a-f]{128}$/;
const prefix = 'sha512-';

/**
 * The image id, `sha512-…`, of an ACI whose uncompressed archive has this SHA-512, given as 128 hex digits or as a
 * digest. `INVALID_ARGUMENT` (field `sha512`) for anything else. appc 0.8, types.md#image-id-type.
 */
export function appcImageId(sha512: string): string {
  const hex = sha512.startsWith('sha512:') ? sha512.slice('sha512:'.length) : sha512;
  if (hexGrammar.test(hex)) return `${prefix}${hex}`;
  throw new GantryError('INVALID_ARGUMENT', `sha512 ${quote(sha512)}: want 128 lower-case hex digits`, {
    details: { field: 'sha512' },
  });
}

/** The digest that an image id stands for; undefined if the text is no whole id. The inverse of {@link appcImageId}. */
export function digestOfAppcImageId(id: string): Digest | undefined {
  const hex = id.startsWith(prefix) ? id.slice(prefix.length) : '';
  return hexGrammar.test(hex) ? `sha512:${hex}` : undefined;
}

/** Reads an image id; undefined if absent. */
export function readImageId<Name extends string>(fields: JsonFields<Name>, name: Name): Digest | undefined {
  const id = fields.string(name);
  if (id === undefined) return undefined;
  const digest = digestOfAppcImageId(id);
  if (digest === undefined) throw fields.invalid(name, `${quote(id)} is not sha512- with 128 lower-case hex digits`);
  return digest;
}
