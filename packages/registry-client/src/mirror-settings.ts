import { parseReference, parseRegistry } from '@gantry/image-spec';
import { type Credentials, GantryError, type ImageReference } from '@gantry/interface';
import type { RegistryMirror } from './options.js';

/** A mirror, its URL taken apart. */
export interface Mirror {
  /** `host` or `host:port`, as of any registry. */
  readonly registry: string;
  /** Goes before a repository: empty, or ends with a slash. */
  readonly prefix: string;
  readonly deadlineMs: number;
  readonly insecure: boolean;
  readonly credentials: Credentials | undefined;
}

const defaultDeadlineMs = 5_000;

/** `INVALID_ARGUMENT` (field `mirrors`, or `registry` for the name of one) if anything is malformed. */
export function resolveMirrors(
  mirrors: ReadonlyMap<string, readonly RegistryMirror[]> = new Map(),
  longestMs: number,
): ReadonlyMap<string, readonly Mirror[]> {
  return new Map(
    [...mirrors].map(([registry, list]) => [parseRegistry(registry), list.map((one) => resolveMirror(one, longestMs))]),
  );
}

/** The same thing as it is referred to at the mirror. */
export function mirrored(reference: ImageReference, { registry, prefix }: Mirror): ImageReference {
  return { ...reference, registry, repository: prefix + reference.repository };
}

function resolveMirror(mirror: RegistryMirror, longestMs: number): Mirror {
  const { url: text, deadlineMs = defaultDeadlineMs, insecure = false, credentials } = mirror;
  if (!URL.canParse(text)) throw invalid('want a URL such as https://mirror.example');
  const url = new URL(text);
  if (url.username !== '' || url.password !== '') throw invalid('a login belongs into `credentials`, not into the URL');
  if (url.protocol !== 'https:' && !(url.protocol === 'http:' && insecure)) {
    throw invalid(`${url.host}: want https, or http together with \`insecure\``);
  }
  if (!(deadlineMs >= 1 && deadlineMs <= longestMs)) throw invalid(`${url.host}: deadlineMs: want 1 to ${longestMs}`);
  const registry = parseRegistry(url.host);
  const path = url.pathname.replace(/^\/+|\/+$/g, '');
  // Together with any repository it must make a repository again.
  if (url.search !== '' || url.hash !== '' || !isRepository(registry, path === '' ? 'a' : `${path}/a`)) {
    throw invalid(`${url.host}: want a URL whose path is the beginning of a repository, and nothing after it`);
  }
  return { registry, prefix: path === '' ? '' : `${path}/`, deadlineMs, insecure, credentials };
}

function isRepository(registry: string, repository: string): boolean {
  try {
    parseReference(`${registry}/${repository}`);
    return true;
  } catch {
    return false;
  }
}

function invalid(reason: string): GantryError {
  return new GantryError('INVALID_ARGUMENT', `registry client option mirrors: ${reason}`, {
    details: { field: 'mirrors' },
  });
}
