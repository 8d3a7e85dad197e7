import type { JsonFields } from '../json/json-fields.js';
import { quote } from '../quote.js';

const longest = 1024;
const identifierGrammar = /^[a-z0-9]+(?:[-._~/][a-z0-9]+)*$/;
const nameGrammar = /^[a-z0-9]+(?:-[a-z0-9]+)*$/;
const version0Grammar = /^0\.\d{1,9}\.\d{1,9}(?:-[0-9A-Za-z.-]{1,64})?(?:\+[0-9A-Za-z.-]{1,64})?$/;
const documentFields = ['acKind', 'acVersion'] as const;

/** True for an AC Identifier: a name in the world, such as an image's. appc 0.8, types.md#ac-identifier-type. */
export function isAcIdentifier(text: string): boolean {
  return text.length <= longest && identifierGrammar.test(text);
}

/** Reads an AC Identifier that must be there. */
export function readAcIdentifier<Name extends string>(fields: JsonFields<Name>, name: Name): string {
  const text = fields.requiredString(name);
  if (isAcIdentifier(text)) return text;
  throw fields.invalid(
    name,
    `${quote(text)} is no AC Identifier: lower-case letters and digits with single - . _ ~ / between them`,
  );
}

/** Reads an AC Name that must be there: a name within one document. appc 0.8, types.md#ac-name-type. */
export function readAcName<Name extends string>(fields: JsonFields<Name>, name: Name): string {
  const text = fields.requiredString(name);
  if (text.length <= longest && nameGrammar.test(text)) return text;
  throw fields.invalid(
    name,
    `${quote(text)} is no AC Name: lower-case letters and digits with single dashes between them`,
  );
}

/** Checks that a document is of one kind and of the only major version that there was; gives its version. */
export function readAcVersion(fields: JsonFields<(typeof documentFields)[number]>, kind: string): string {
  const actual = fields.requiredString('acKind');
  if (actual !== kind) throw fields.invalid('acKind', `${quote(actual)} is not ${quote(kind)}`);
  const version = fields.requiredString('acVersion');
  if (!version0Grammar.test(version)) throw fields.invalid('acVersion', `${quote(version)} is no version 0.x.y`);
  return version;
}
