import { refused } from '../errors.js';

const name = 'docker/runtime';

/** Docker's, for images that set none. */
const defaultPath = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** Where variables come from, the weakest first: PATH, HOME and HOSTNAME, the image, the spec. */
export interface EnvironmentSources {
  readonly home: string;
  readonly hostname: string;
  /** `NAME=value`. */
  readonly image: readonly string[];
  readonly spec: Readonly<Record<string, string>>;
}

/** An environment in two parts: what the spec says, and what other isolators may say otherwise. */
export interface Environment {
  readonly env: Record<string, string>;
  readonly defaultEnv: Record<string, string>;
}

/**
 * The whole environment of the first process; nothing of the host program's is in it. An entry of the image's without
 * `=` has no value and is left out. `REFUSED` for a NUL, which would cut a variable short.
 */
export function mergeEnvironment(sources: EnvironmentSources): Environment {
  const image = sources.image.flatMap((entry): [string, string][] => {
    const at = entry.indexOf('=');
    return at > 0 ? [[entry.slice(0, at), entry.slice(at + 1)]] : [];
  });
  const defaults = [
    ['PATH', defaultPath] as const,
    ['HOME', sources.home] as const,
    ['HOSTNAME', sources.hostname] as const,
    ...image,
  ];
  return { env: checked(Object.entries(sources.spec)), defaultEnv: checked(defaults) };
}

function checked(variables: readonly (readonly [name: string, value: string])[]): Record<string, string> {
  const result: Record<string, string> = Object.create(null);
  for (const [key, value] of variables) {
    if (key === '' || key.includes('=') || `${key}${value}`.includes('\0')) {
      throw refused(name, `the variable ${JSON.stringify(key)} is malformed`, 'use a name without =, and no NUL bytes');
    }
    result[key] = value;
  }
  return result;
}
