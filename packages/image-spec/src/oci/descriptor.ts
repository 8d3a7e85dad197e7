import type { Descriptor, Platform } from '@gantry/interface';
import { isDigest } from '../digest.js';
import type { JsonFields } from '../json/json-fields.js';
import { isMediaType } from '../media-types.js';
import { quote } from '../quote.js';

/** The fields of a descriptor that mean something here. OCI image-spec, descriptor.md#properties. */
export const descriptorFields = [
  'mediaType',
  'digest',
  'size',
  'urls',
  'annotations',
  'artifactType',
  'platform',
] as const;

const platformFields = ['os', 'architecture', 'variant', 'os.version'] as const;

type DescriptorFields = JsonFields<(typeof descriptorFields)[number]>;

/** Reads a descriptor. */
export function readDescriptor(fields: DescriptorFields): Descriptor {
  const digest = fields.requiredString('digest');
  if (!isDigest(digest)) throw fields.invalid('digest', `${quote(digest)} is no sha256 or sha512 digest`);
  const mediaType = readMediaType(fields, 'mediaType');
  if (mediaType === undefined) throw fields.invalid('mediaType', 'missing');
  const artifactType = readMediaType(fields, 'artifactType');
  const urls = fields.strings('urls');
  const annotations = fields.stringMap('annotations');
  return {
    mediaType,
    digest,
    size: fields.size('size'),
    ...(urls.length > 0 && { urls }),
    ...(annotations.size > 0 && { annotations: toRecord(annotations) }),
    ...(artifactType !== undefined && { artifactType }),
  };
}

/** Reads a media type; undefined if absent. */
export function readMediaType<Name extends string>(fields: JsonFields<Name>, name: Name): string | undefined {
  const text = fields.string(name);
  if (text === undefined || isMediaType(text)) return text;
  throw fields.invalid(name, `${quote(text)} is no media type`);
}

/** Reads the platform of an entry of an index; undefined if absent. OCI image-spec, image-index.md#platform. */
export function readPlatform(fields: DescriptorFields): Platform | undefined {
  const platform = fields.object('platform', platformFields);
  if (platform === undefined) return undefined;
  const [os, architecture] = [platform.string('os'), platform.string('architecture')];
  if (os === undefined) throw platform.invalid('os', 'missing');
  if (architecture === undefined) throw platform.invalid('architecture', 'missing');
  const variant = platform.string('variant');
  const osVersion = platform.string('os.version');
  return { os, architecture, ...(variant && { variant }), ...(osVersion && { osVersion }) };
}

/** A null-prototype record, so that a key such as `__proto__` is only a key. */
function toRecord(map: ReadonlyMap<string, string>): Readonly<Record<string, string>> {
  const record: Record<string, string> = Object.create(null);
  for (const [key, value] of map) record[key] = value;
  return record;
}
