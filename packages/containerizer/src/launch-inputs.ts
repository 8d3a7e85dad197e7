import type { CallOptions, LaunchSecrets, PrepareContext } from '@gantry/interface';
import type { ContainerizerParts } from './parts.js';
import type { CheckedSpec } from './spec.js';

/** What a launch needs besides its request: secrets, and what the sources of its binds are. */
export interface LaunchInputs {
  readonly secrets?: LaunchSecrets;
  readonly pins?: Readonly<Record<string, string>>;
}

/** Asks the isolators, once all is prepared, for what no document holds. Only a spec with mounts or secrets has any. */
export async function launchInputs(
  parts: Pick<ContainerizerParts, 'isolators'>,
  context: PrepareContext,
  spec: CheckedSpec,
  options: CallOptions,
): Promise<LaunchInputs> {
  const pins = Object.assign(
    {},
    ...(spec.mounts ? await Promise.all(parts.isolators.map((isolator) => isolator.pins?.(context))) : []),
  ) as Record<string, string>;
  const secrets = await secretsOf(parts, spec, 'launch', options);
  return {
    ...(secrets ? { secrets } : {}),
    ...(Object.keys(pins).length > 0 ? { pins } : {}),
  };
}

/** What the isolators give of secrets; undefined if the spec asks for none. */
export async function secretsOf(
  { isolators }: Pick<ContainerizerParts, 'isolators'>,
  spec: CheckedSpec,
  use: 'launch' | 'exec',
  options: CallOptions,
): Promise<LaunchSecrets | undefined> {
  if (!spec.secretEnv && (use === 'exec' || !spec.mounts?.some(({ type }) => type === 'secret'))) return undefined;
  const env = new Map<string, string>();
  const files = new Map<string, Uint8Array>();
  for (const isolator of isolators) {
    const given = await isolator.secrets?.(spec, use, options);
    for (const [name, value] of given?.env ?? []) env.set(name, value);
    for (const [id, content] of given?.files ?? []) files.set(id, content);
  }
  return { env, files };
}
