import type { ImageReference } from '@gantry/interface';

/** What a token must allow to read a repository. Distribution project, token authentication. */
export function pullScope({ repository }: ImageReference): string {
  return `repository:${repository}:pull`;
}

/** What a token must allow to read and write a repository. */
export function pushScope({ repository }: ImageReference): string {
  return `repository:${repository}:pull,push`;
}

/** What a token must allow to delete from a repository. */
export function deleteScope({ repository }: ImageReference): string {
  return `repository:${repository}:delete`;
}

/** What a token must allow to list the repositories of a registry. */
export const catalogScope = 'registry:catalog:*';

/** The scopes that a challenge names, and of those wanted the ones for resources that it leaves out. */
export function joinScopes(challenged: string | undefined, wanted: string): readonly string[] {
  const named = split(challenged ?? '');
  const resources = new Set(named.map(resourceOf));
  return [...named, ...split(wanted).filter((scope) => !resources.has(resourceOf(scope)))];
}

function split(scopes: string): string[] {
  return scopes.split(' ').filter((scope) => scope !== '');
}

/** `repository:team/app` of `repository:team/app:pull`. */
function resourceOf(scope: string): string {
  return scope.slice(0, Math.max(0, scope.lastIndexOf(':')));
}
