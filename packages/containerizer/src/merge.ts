import {
  GantryError,
  type IsolatorEdits,
  type LandlockRules,
  type OciHooks,
  type OciResources,
  type OciSpec,
  type OciUser,
  type SecretFile,
} from '@gantry/interface';
import { AllClaims } from './claims.js';

/** What one isolator asked for. */
export interface NamedEdits {
  readonly isolator: string;
  readonly edits: IsolatorEdits;
}

/** The finished document and what the OCI runtime specification has no field for. */
export interface MergedDocument {
  readonly config: OciSpec;
  readonly cgroups: readonly string[];
  readonly clampedRlimits: readonly string[];
  readonly landlock?: LandlockRules;
  readonly secretEnv?: readonly string[];
  readonly secretFiles?: readonly SecretFile[];
}

/**
 * Merges edits, in isolator order, into one OCI runtime document. Lists keep that order; what two isolators set
 * alike counts once; what they set differently is a `CONFLICT` that names both.
 */
export function mergeEdits(
  all: readonly NamedEdits[],
  target: { readonly rootfs: string; readonly cgroupPath: string },
): MergedDocument {
  const claims = new AllClaims();
  for (const { isolator, edits } of all) claims.add(isolator, edits);
  const { env, defaultEnv, secretEnv, secretFiles, mounts, namespaces, devices, rlimits, sysctl, annotations } = claims;

  const args = claims.scalar('args');
  if (!args || args.length === 0) {
    throw new GantryError(
      'REFUSED',
      'nothing to run: no isolator set a command; give spec.command, or an image with an Entrypoint or Cmd',
    );
  }
  const config: OciSpec = {
    ociVersion: '1.2.0',
    process: {
      terminal: false,
      user: withGroups(claims.scalar('user') ?? { uid: 0, gid: 0 }, claims.additionalGids),
      args: [...args],
      env: [...new Set([...defaultEnv.keys(), ...env.keys()])].map((key) => env.get(key) ?? defaultEnv.get(key) ?? ''),
      cwd: claims.scalar('cwd') ?? '/',
      ...optional('capabilities', claims.scalar('capabilities')),
      rlimits: rlimits.values().map(({ type, soft, hard }) => ({ type, soft, hard })),
      ...optional('noNewPrivileges', claims.scalar('noNewPrivileges')),
      ...optional('oomScoreAdj', claims.scalar('oomScoreAdj')),
    },
    root: { path: target.rootfs, readonly: claims.scalar('rootReadonly') ?? false },
    ...optional('hostname', claims.scalar('hostname')),
    // From the root down, so that none hides another.
    mounts: mounts.values().sort((a, b) => depthOf(a.destination) - depthOf(b.destination)),
    ...optional('hooks', mergedHooks(all)),
    ...optional('annotations', fromEntries(annotations.values())),
    linux: {
      namespaces: namespaces.values(),
      ...optional(
        'uidMappings',
        claims.scalar('uidMappings')?.map((mapping) => ({ ...mapping })),
      ),
      ...optional(
        'gidMappings',
        claims.scalar('gidMappings')?.map((mapping) => ({ ...mapping })),
      ),
      ...optional('timeOffsets', claims.scalar('timeOffsets')),
      devices: devices.values(),
      cgroupsPath: target.cgroupPath,
      resources: mergedResources(all),
      sysctl: Object.fromEntries(sysctl.values()),
      maskedPaths: [...claims.maskedPaths],
      readonlyPaths: [...claims.readonlyPaths],
      ...optional('rootfsPropagation', claims.scalar('rootfsPropagation')),
      ...optional('seccomp', claims.scalar('seccomp')),
    },
  };
  const clampedRlimits = rlimits
    .values()
    .filter((rlimit) => rlimit.origin === 'default')
    .map((rlimit) => rlimit.type);
  return {
    config,
    cgroups: [...claims.cgroups],
    clampedRlimits,
    ...optional('landlock', claims.scalar('landlock')),
    ...(secretEnv.size > 0 ? { secretEnv: [...secretEnv] } : {}),
    ...optional('secretFiles', nonEmpty(secretFiles.values())),
  };
}

function optional<K extends string, V>(key: K, value: V | undefined): { [P in K]?: V } {
  return value === undefined ? {} : ({ [key]: value } as { [P in K]?: V });
}

/** The resources of all isolators in one document; that they do not contradict each other has been checked. */
function mergedResources(all: readonly NamedEdits[]): OciResources {
  return all.reduce((merged, { edits }) => combined(merged, edits.resources ?? {}), {} as OciResources);
}

/** Two documents in one: objects field by field, lists one after the other. */
function combined<T extends object>(a: T, b: T): T {
  const result = { ...a } as Record<string, unknown>;
  for (const [name, value] of Object.entries(b)) {
    const held = result[name];
    if (value === undefined) continue;
    if (Array.isArray(held) && Array.isArray(value)) result[name] = [...held, ...value];
    else if (isObject(held) && isObject(value)) result[name] = combined(held, value);
    else result[name] = value;
  }
  return result as T;
}

function withGroups(user: OciUser, groups: ReadonlySet<number>): OciUser {
  if (groups.size === 0) return user;
  return { ...user, additionalGids: [...new Set([...(user.additionalGids ?? []), ...groups])] };
}

function mergedHooks(all: readonly NamedEdits[]): OciHooks | undefined {
  const hooks = all.reduce((merged, { edits }) => combined(merged, edits.hooks ?? {}), {} as OciHooks);
  return Object.keys(hooks).length > 0 ? hooks : undefined;
}

function nonEmpty<T>(list: readonly T[]): readonly T[] | undefined {
  return list.length > 0 ? list : undefined;
}

/** How many names are in a path. */
function depthOf(path: string): number {
  let depth = 0;
  for (let index = 0; index < path.length; index++) {
    if (path[index] !== '/' && (index === 0 || path[index - 1] === '/')) depth++;
  }
  return depth;
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}

function fromEntries(entries: readonly (readonly [string, string])[]): Record<string, string> | undefined {
  return entries.length === 0 ? undefined : Object.fromEntries(entries);
}
