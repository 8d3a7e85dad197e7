import { decodeJson, type JsonValue, parseReference } from '@gantry/image-spec';
import { GantryError, type ImageReference } from '@gantry/interface';
import type { Call } from './call.js';
import { type Page, pagesOf } from './pages.js';
import type { Requester } from './requester.js';
import { catalogScope, pullScope } from './scope.js';

const mostNames = 100_000;

/** The tags of a repository. OCI distribution-spec, "Listing Tags". */
export async function* tagsOf(
  requester: Requester,
  call: Call,
  reference: ImageReference,
  pageSize: number,
): AsyncGenerator<string> {
  const target = `${reference.repository}/tags/list?n=${pageSize}`;
  const request = {
    method: 'GET',
    target,
    headers: { accept: 'application/json' },
    scope: pullScope(reference),
  } as const;
  for await (const page of pagesOf(requester, call, request)) {
    yield* namesIn(call, page, 'tags', isTag);
  }
}

/** The repositories of a registry: the catalog of the distribution project, which the OCI specification leaves out. */
export async function* repositoriesOf(requester: Requester, call: Call, pageSize: number): AsyncGenerator<string> {
  const target = `_catalog?n=${pageSize}`;
  const request = { method: 'GET', target, headers: { accept: 'application/json' }, scope: catalogScope } as const;
  for await (const page of pagesOf(requester, call, request)) {
    yield* namesIn(call, page, 'repositories', isRepository);
  }
}

/** The names of one page. One that breaks its grammar could be anything, a path of the caller's among them. */
function namesIn(call: Call, { bytes }: Page, field: string, isName: (name: string) => boolean): readonly string[] {
  const document = decodeJson(bytes, { what: call.what, maxKeys: mostNames });
  const isObject = typeof document === 'object' && document !== null && !Array.isArray(document);
  const names: JsonValue | undefined = isObject ? (document as Record<string, JsonValue>)[field] : undefined;
  // A repository without tags has null.
  if (names === null) return [];
  if (!Array.isArray(names)) throw invalid(call, field, 'want a list');
  return names.map((name: JsonValue, index) => {
    if (typeof name === 'string' && isName(name)) return name;
    throw invalid(call, `${field}[${index}]`, 'not a name');
  });
}

function isTag(name: string): boolean {
  return isGrammatical(() => parseReference(`registry.invalid/any:${name}`).tag === name);
}

function isRepository(name: string): boolean {
  return isGrammatical(() => parseReference(`registry.invalid/${name}`).repository === name);
}

function isGrammatical(test: () => boolean): boolean {
  try {
    return test();
  } catch {
    return false;
  }
}

function invalid(call: Call, path: string, reason: string): GantryError {
  return new GantryError('INVALID_DOCUMENT', `${call.what}: $.${path}: ${reason}`, { details: { path: `$.${path}` } });
}
