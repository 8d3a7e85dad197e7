import { homedir } from 'node:os';
import { join } from 'node:path';
import type { Credentials } from '@gantry/interface';
import type { LoginRequest } from '../options.js';
import { SharedWork } from '../shared-work.js';
import { type DockerConfig, readDockerConfig } from './config-file.js';
import { bestMatch, serverName, type Wanted } from './config-keys.js';
import { askHelper } from './credential-helper.js';

export interface DockerConfigOptions {
  /** The one file to read; without it, those that docker and podman read. */
  readonly path?: string;
  /** Default `process.env`; credential helpers get it too. */
  readonly env?: NodeJS.ProcessEnv;
  /** How long a credential helper may take. Default 30 000 ms. */
  readonly helperMs?: number;
}

/** An answer of a helper serves for so long: one pull asks for many things, and a helper may ask a person. */
const rememberMs = 60_000;

/**
 * The logins that `docker login` and `podman login` left: `auths`, `credHelpers` and `credsStore`. Files, the first with a
 * login wins: `$DOCKER_CONFIG/config.json` or `~/.docker/config.json`; `$REGISTRY_AUTH_FILE`;
 * `$XDG_RUNTIME_DIR/containers/auth.json`; `$XDG_CONFIG_HOME/containers/auth.json`. They are read afresh for every call.
 * A malformed file is `INVALID_DOCUMENT`, a helper that fails `UNAUTHORIZED`; neither error tells a secret.
 */
export function dockerConfigCredentials(
  options: DockerConfigOptions = {},
): (registry: string, request: LoginRequest) => Promise<Credentials | undefined> {
  const { env = process.env, helperMs = 30_000 } = options;
  const helpers = new Helpers(env, helperMs);
  const paths = options.path === undefined ? usualPaths(env) : [options.path];
  return async (registry, request) => {
    for (const path of paths) {
      const config = await readDockerConfig(path);
      const login = config && (await loginIn(config, { registry, repository: request.repository }, helpers, request));
      if (login) return login;
    }
    return undefined;
  };
}

/** A helper goes before what stands in the file, as with docker. */
async function loginIn(
  { auths, credHelpers, credsStore }: DockerConfig,
  wanted: Wanted,
  helpers: Helpers,
  { signal }: LoginRequest,
): Promise<Credentials | undefined> {
  const helper = bestMatch(credHelpers, wanted) ?? credsStore;
  const known = helper === undefined ? undefined : await helpers.ask(helper, serverName(wanted.registry), signal);
  return known ?? bestMatch(auths, wanted);
}

/** Credential helpers, each asked once for all that want the same. */
class Helpers {
  readonly #env: NodeJS.ProcessEnv;
  readonly #deadlineMs: number;
  readonly #asked = new SharedWork<Credentials | undefined>();
  readonly #answers = new Map<string, { readonly login: Credentials | undefined; readonly until: number }>();

  constructor(env: NodeJS.ProcessEnv, deadlineMs: number) {
    this.#env = env;
    this.#deadlineMs = deadlineMs;
  }

  async ask(helper: string, server: string, signal = new AbortController().signal): Promise<Credentials | undefined> {
    const key = JSON.stringify([helper, server]);
    const answer = this.#answers.get(key);
    if (answer && answer.until > performance.now()) return answer.login;
    return this.#asked.join(key, signal, async (stop) => {
      const request = { helper, server, env: this.#env, deadlineMs: this.#deadlineMs, signal: stop };
      const login = await askHelper(request);
      this.#answers.set(key, { login, until: performance.now() + rememberMs });
      return login;
    });
  }
}

function usualPaths(env: NodeJS.ProcessEnv): readonly string[] {
  const home = env['HOME'] || homedir();
  const runtime = env['XDG_RUNTIME_DIR'];
  const authFile = env['REGISTRY_AUTH_FILE'];
  return [
    join(env['DOCKER_CONFIG'] || join(home, '.docker'), 'config.json'),
    ...(authFile ? [authFile] : []),
    ...(runtime ? [join(runtime, 'containers', 'auth.json')] : []),
    join(env['XDG_CONFIG_HOME'] || join(home, '.config'), 'containers', 'auth.json'),
  ];
}
