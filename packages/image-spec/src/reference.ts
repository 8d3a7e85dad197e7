import { type Digest, GantryError, type ImageReference } from '@gantry/interface';
import { isDigest } from './digest.js';
import { quote } from './quote.js';
import { canonicalRegistry } from './registry-name.js';

const longestReference = 1024;
const longestRepository = 255;
const repositoryGrammar = /^[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*)*$/;
const tagGrammar = /^\w[\w.-]{0,127}$/;

/** True for a repository as registries take it: lower case, at most 255 characters. OCI distribution-spec, pulling manifests. */
export function isRepository(text: string): boolean {
  return text.length <= longestRepository && repositoryGrammar.test(text);
}

/** True for a tag: at most 128 characters. OCI distribution-spec, pulling manifests. */
export function isTag(text: string): boolean {
  return tagGrammar.test(text);
}

/**
 * Reads an image reference, `[registry/]repository[:tag][@digest]`, as Docker users write it: the registry defaults to
 * `docker.io`, a one-word repository there to `library/…`, the tag to `latest` if there is neither tag nor digest.
 * The first part is a registry if it has a dot, a colon or a bracket, or is `localhost`.
 * `INVALID_ARGUMENT` (field `reference`) for text outside the grammar.
 */
export function parseReference(text: string): ImageReference {
  if (typeof text !== 'string') throw invalid(text, 'want a string');
  if (text.length > longestReference) throw invalid(text, `longer than ${longestReference} characters`);
  if (text.includes('://')) throw invalid(text, 'a reference has no scheme; write registry/repository:tag');

  const at = text.indexOf('@');
  const digest = at < 0 ? undefined : readDigest(text, text.slice(at + 1));
  const named = at < 0 ? text : text.slice(0, at);

  const colon = named.indexOf(':', named.lastIndexOf('/') + 1);
  const tag = colon < 0 ? undefined : named.slice(colon + 1);
  if (tag !== undefined && !isTag(tag)) {
    throw invalid(
      text,
      'a tag is 1 to 128 letters, digits, underscores, dots and dashes, and starts with none of the last two',
    );
  }

  const { registry, repository } = splitName(text, colon < 0 ? named : named.slice(0, colon));
  if (digest === undefined) return { registry, repository, tag: tag ?? 'latest' };
  return tag === undefined ? { registry, repository, digest } : { registry, repository, tag, digest };
}

/** The canonical text of a reference: `registry/repository[:tag][@digest]`. The inverse of {@link parseReference}. */
export function formatReference(reference: ImageReference): string {
  const { registry, repository, tag, digest } = reference;
  return `${registry}/${repository}${tag === undefined ? '' : `:${tag}`}${digest === undefined ? '' : `@${digest}`}`;
}

function splitName(text: string, name: string): { registry: string; repository: string } {
  const slash = name.indexOf('/');
  const first = slash < 0 ? '' : name.slice(0, slash);
  const hasRegistry = first.toLowerCase() === 'localhost' || /[.:[]/.test(first);
  const registry = hasRegistry ? canonicalRegistry(first) : 'docker.io';
  if (registry === undefined) throw invalid(text, `${quote(first)} is no registry name`);

  const path = hasRegistry ? name.slice(slash + 1) : name;
  const repository = registry === 'docker.io' && !path.includes('/') ? `library/${path}` : path;
  if (repository.length > longestRepository)
    throw invalid(text, `repository longer than ${longestRepository} characters`);
  if (!isRepository(repository)) {
    throw invalid(
      text,
      repository === repository.toLowerCase()
        ? 'a repository is lower-case letters and digits with single dots, one or two underscores or dashes between them, parts divided by slashes'
        : 'a repository has no upper-case letters',
    );
  }
  return { registry, repository };
}

function readDigest(text: string, digest: string): Digest {
  if (isDigest(digest)) return digest;
  throw invalid(text, 'after @ there must be sha256: with 64 or sha512: with 128 lower-case hex digits');
}

function invalid(text: unknown, reason: string): GantryError {
  return new GantryError('INVALID_ARGUMENT', `reference ${quote(text)}: ${reason}`, {
    details: { field: 'reference' },
  });
}
