import { GantryError } from '@gantry/interface';
import { hostPlatform } from '../platform.js';
import { quote } from '../quote.js';
import { isAcIdentifier } from './ac-types.js';
import { labelsOfPlatform } from './platform.js';
import { expandTemplate } from './url-template.js';

/** Where an image and its detached signature are; both https. */
export interface AppcImageUrls {
  readonly image: string;
  readonly signature: string;
}

/** Where to look for an image of a name. */
export interface AppcDiscoveryUrls {
  /** Simple discovery, to be tried first. Absent for a name without path, which makes no URL. */
  readonly simple?: AppcImageUrls;
  /** Pages for {@link parseAppcMeta}: of the whole name, then of its parents up to the host. All https. */
  readonly meta: readonly string[];
}

const simpleTemplate = 'https://{name}-{version}-{os}-{arch}.{ext}';

/**
 * The URLs at which appc discovery looks for an image. Labels that the templates use and that are not given are
 * `version` latest and the host's `os` and `arch`. `INVALID_ARGUMENT` for a name that is no AC Identifier or does not
 * start with a host (field `name`), and for a label that cannot be part of a URL (field `labels`). appc 0.8, discovery.md;
 * simple discovery as appc had it before 0.8.
 */
export function appcDiscoveryUrls(name: string, labels: ReadonlyMap<string, string> = new Map()): AppcDiscoveryUrls {
  requireHostName(name);
  const simple = name.includes('/') ? imageUrls(simpleTemplate, templateValues(name, labels)) : undefined;
  const parts = name.split('/');
  const meta = parts.map((_, index) => `https://${parts.slice(0, parts.length - index).join('/')}?ac-discovery=1`);
  return { ...(simple && { simple }), meta };
}

/** The values of a template's variables: the name and all labels, with the defaults of discovery. */
export function templateValues(name: string, labels: ReadonlyMap<string, string>): ReadonlyMap<string, string> {
  const { os, arch } = labelsOfPlatform(hostPlatform());
  const values = new Map([['version', 'latest'], ['os', os], ['arch', arch], ...labels, ['name', name]]);
  for (const [label, value] of values) {
    if (value !== '' && !/^\.+$|\p{Surrogate}/u.test(value)) continue;
    throw new GantryError('INVALID_ARGUMENT', `label ${quote(label)}: ${quote(value)} cannot be part of a URL`, {
      details: { field: 'labels', label },
    });
  }
  return values;
}

/** The URLs that a template with `{ext}` makes; undefined if it has another variable that is not known, or is not https. */
export function imageUrls(template: string, values: ReadonlyMap<string, string>): AppcImageUrls | undefined {
  if (!template.includes('{ext}')) return undefined;
  const image = expandTemplate(template, new Map([...values, ['ext', 'aci']]));
  const signature = expandTemplate(template, new Map([...values, ['ext', 'aci.asc']]));
  return image === undefined || signature === undefined ? undefined : { image, signature };
}

/** A name whose first part is what a URL takes for a host, and the same one. */
export function requireHostName(name: string): void {
  const host = name.split('/', 1)[0] ?? '';
  const isHost = isAcIdentifier(name) && URL.canParse(`https://${host}`) && new URL(`https://${host}`).host === host;
  if (isHost) return;
  throw new GantryError('INVALID_ARGUMENT', `appc image name ${quote(name)}: want a host and a path, lower case`, {
    details: { field: 'name' },
  });
}
