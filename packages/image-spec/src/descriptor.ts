import type { Descriptor, Platform } from '@gantry/interface';
import { isDigest } from './digest.js';
import type { JsonFields } from './json-fields.js';
import { quote } from './quote.js';

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

export function readDescriptor(fields: DescriptorFields): Descriptor {
  const digest = fields.requiredString('digest');
  if (!isDigest(digest)) throw fields.invalid('digest', `${quote(digest)} is no sha256 or sha512 digest`);
  const urls = fields.strings('urls');
  const annotations = fields.stringMap('annotations');
  const artifactType = fields.string('artifactType');
  return {
    mediaType: fields.requiredString('mediaType'),
    digest,
    size: fields.size('size'),
    ...(urls.length > 0 && { urls }),
    ...(annotations.size > 0 && { annotations: toRecord(annotations) }),
    ...(artifactType !== undefined && { artifactType }),
  };
}

export function readPlatform(fields: DescriptorFields): Platform | undefined {
  const platform = fields.object('platform', platformFields);
  if (platform === undefined) return undefined;
  const variant = platform.string('variant');
  const osVersion = platform.string('os.version');
  return {
    os: platform.string('os') ?? '',
    architecture: platform.string('architecture') ?? '',
    ...(variant && { variant }),
    ...(osVersion && { osVersion }),
  };
}

/** A null-prototype record, so that a key such as `__proto__` is only a key. */
function toRecord(map: ReadonlyMap<string, string>): Readonly<Record<string, string>> {
  const record: Record<string, string> = Object.create(null);
  for (const [key, value] of map) record[key] = value;
  return record;
}
