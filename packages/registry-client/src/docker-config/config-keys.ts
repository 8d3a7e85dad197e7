import { parseRegistry } from '@gantry/image-spec';

/** What Docker Hub is called in login files, besides its name in references. */
const hubHosts: ReadonlySet<string> = new Set(['index.docker.io', 'registry-1.docker.io']);
/** The key of Docker Hub in Docker's own files, and the name that its credential helpers know it by. */
const hubServer = 'https://index.docker.io/v1/';

/** What is a login for: a registry or a part of one. */
export interface Wanted {
  readonly registry: string;
  readonly repository: string | undefined;
}

/**
 * The entry whose key covers most of what is wanted: `registry.example`, `registry.example/team` or, as old versions of
 * Docker wrote it, `https://registry.example/v1/`. Undefined if none covers it.
 */
export function bestMatch<T>(entries: ReadonlyMap<string, T>, wanted: Wanted): T | undefined {
  let best: { readonly length: number; readonly value: T } | undefined;
  for (const [key, value] of entries) {
    const scope = scopeOf(key);
    if (scope === undefined || !covers(scope, wanted)) continue;
    if (best === undefined || scope.length > best.length) best = { length: scope.length, value };
  }
  return best?.value;
}

/** The name that a credential helper knows a registry by. */
export function serverName(registry: string): string {
  return registry === 'docker.io' ? hubServer : registry;
}

/** `registry` or `registry/path` of a key; undefined for a key that is neither. */
function scopeOf(key: string): string | undefined {
  const bare = key.replace(/^https?:\/\//i, '').replace(/\/+$/, '');
  const slash = bare.indexOf('/');
  const registry = canonical(slash < 0 ? bare : bare.slice(0, slash));
  const path = slash < 0 ? '' : bare.slice(slash + 1);
  if (registry === undefined) return undefined;
  return path === '' || /^v[12]$/.test(path) ? registry : `${registry}/${path}`;
}

function canonical(host: string): string | undefined {
  const lower = host.toLowerCase();
  if (hubHosts.has(lower)) return 'docker.io';
  try {
    return parseRegistry(lower);
  } catch {
    return undefined;
  }
}

function covers(scope: string, { registry, repository }: Wanted): boolean {
  if (scope === registry) return true;
  return repository !== undefined && `${registry}/${repository}/`.startsWith(`${scope}/`);
}
