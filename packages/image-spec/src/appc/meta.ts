import { GantryError } from '@gantry/interface';
import { Parser } from 'htmlparser2';
import { type AppcImageUrls, imageUrls, requireHostName, templateValues } from './discovery.js';
import { httpsUrl } from './url-template.js';

/** What a discovery page says of an image. Empty lists: look at the page of the parent name. */
export interface AppcMeta {
  /** In the page's order. */
  readonly images: readonly AppcImageUrls[];
  /** https URLs of public keys for the signature. */
  readonly publicKeys: readonly string[];
}

interface MetaTag {
  readonly name: string;
  readonly prefix: string;
  readonly url: string;
}

const what = 'appc discovery page';
const maxBytes = 1024 * 1024;
/** Elements of a head. Time to parse grows with the square of how deep they are nested. */
const maxElements = 1000;
/** What stands before a page's body. What comes after the first other element may be its visitors' words. */
const headElements: ReadonlySet<string> = new Set([
  'html',
  'head',
  'meta',
  'link',
  'title',
  'base',
  'script',
  'style',
  'noscript',
]);

/**
 * Finds in a discovery page, at most 1 MiB, where an image of this name and these labels is, and the keys for its
 * signature: `meta` tags `ac-discovery` and `ac-discovery-pubkeys` of the page's head, of those the ones with the longest
 * prefix of the name. A template with a variable for which there is no label is passed over.
 *
 * `INVALID_ARGUMENT` as for {@link appcDiscoveryUrls}; `LIMIT_EXCEEDED` for a larger page or more than 1000 elements in its head; `UNSUPPORTED` if tags for the
 * name are there but none leads to an https URL. appc 0.8, discovery.md.
 */
export function parseAppcMeta(
  html: Uint8Array,
  name: string,
  labels: ReadonlyMap<string, string> = new Map(),
): AppcMeta {
  requireHostName(name);
  const values = templateValues(name, labels);
  const tags = findTags(html).filter((tag) => name.startsWith(tag.prefix));
  const templates = longestPrefix(tags.filter((tag) => tag.name === 'ac-discovery'));
  const images = templates.flatMap((tag) => imageUrls(tag.url, values) ?? []);
  const keys = longestPrefix(tags.filter((tag) => tag.name === 'ac-discovery-pubkeys'));
  if (templates.length > 0 && images.length === 0) {
    throw new GantryError('UNSUPPORTED', `${what} for ${name}: none of its templates makes an https URL`, {
      details: { name, templates: templates.map((tag) => tag.url).slice(0, 10) },
    });
  }
  return { images, publicKeys: keys.flatMap((tag) => httpsUrl(tag.url) ?? []) };
}

function longestPrefix(tags: readonly MetaTag[]): readonly MetaTag[] {
  const longest = Math.max(0, ...tags.map((tag) => tag.prefix.length));
  return tags.filter((tag) => tag.prefix.length === longest);
}

function findTags(html: Uint8Array): readonly MetaTag[] {
  if (html.byteLength > maxBytes) throw tooLarge(`${html.byteLength} bytes, more than ${maxBytes}`);
  const tags: MetaTag[] = [];
  let inHead = true;
  let elements = 0;
  const parser = new Parser({
    onopentag(element, attributes) {
      inHead &&= headElements.has(element);
      if (inHead && ++elements > maxElements) throw tooLarge(`more than ${maxElements} elements in its head`);
      if (inHead && element === 'meta') tags.push(...readTag(attributes));
      if (!inHead) parser.pause();
    },
    onclosetag(element) {
      inHead &&= element !== 'head';
    },
  });
  parser.end(new TextDecoder().decode(html));
  return tags;
}

function tooLarge(reason: string): GantryError {
  return new GantryError('LIMIT_EXCEEDED', `${what}: ${reason}`);
}

/** `content` is the prefix, white space, and a URL or template. */
function readTag({ name = '', content = '' }: Readonly<Record<string, string>>): readonly MetaTag[] {
  const [prefix, url, ...rest] = content.split(/\s+/).filter((word) => word !== '');
  return prefix === undefined || url === undefined || rest.length > 0 ? [] : [{ name, prefix, url }];
}
