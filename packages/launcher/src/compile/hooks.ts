import type { LaunchRequest, OciHook } from '@gantry/interface';
import type { HookStep } from '../protocol.generated.js';
import { absolutePath, integer, invalid, unsupported } from './refusal.js';

/** What the specification calls the container's status at that moment. */
const statuses = { createContainer: 'creating', startContainer: 'created' } as const;

const day = 86_400;

/**
 * The hooks of a kind, in their order. What they are told is the state of the specification, with the state folder as the bundle; the shim
 * adds the pid. In a user namespace that root makes, the container's root is not among what the host has, where a hook of the host's would
 * look for it.
 */
export function compileHooks(request: LaunchRequest, kind: keyof typeof statuses): HookStep[] {
  const { config, id, stateDir, idMapper } = request;
  const hasUsers = config.linux.namespaces.some(({ type }) => type === 'user');
  const hooks = config.hooks?.[kind] ?? [];
  if (hooks.length === 0) return [];
  if (kind === 'createContainer' && hasUsers && idMapper === 'root') {
    throw unsupported(
      `hooks.${kind}`,
      'in a user namespace hooks of the host would not find the root of the container',
    );
  }
  const state = JSON.stringify({
    ociVersion: config.ociVersion,
    id,
    status: statuses[kind],
    bundle: stateDir,
    ...(config.annotations ? { annotations: config.annotations } : {}),
  });
  return hooks.map((hook, index) => compileHook(hook, state.slice(0, -1), `hooks.${kind}[${index}]`));
}

function compileHook({ path, args = [path], env = [], timeout }: OciHook, state: string, field: string): HookStep {
  if (args.length === 0) throw invalid(`${field}.args`, 'there is not even a name of the program');
  return {
    op: 'hook',
    path: absolutePath(path, `${field}.path`),
    argv: args,
    env,
    timeout: timeout === undefined ? 0 : integer(timeout, 1, day, `${field}.timeout`),
    state,
  };
}
