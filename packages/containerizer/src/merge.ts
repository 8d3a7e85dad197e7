import {
  GantryError,
  type IsolatorEdits,
  type LandlockRules,
  type OciHooks,
  type OciResources,
  type OciSpec,
  type OciUser,
  type RlimitEdit,
  type SecretFile,
} from '@gantry/interface';

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

/** Values under a key, each with the isolator that set it. */
class Claims<T> {
  readonly #values = new Map<string, { readonly isolator: string; readonly value: T }>();

  set(key: string, value: T, isolator: string): void {
    const held = this.#values.get(key);
    if (!held) {
      this.#values.set(key, { isolator, value });
    } else if (JSON.stringify(held.value) !== JSON.stringify(value)) {
      throw new GantryError('CONFLICT', `isolators ${held.isolator} and ${isolator} set ${key} to different values`, {
        details: { isolators: [held.isolator, isolator], field: key, values: [held.value, value] },
      });
    }
  }

  get(key: string): T | undefined {
    return this.#values.get(key)?.value;
  }

  keys(): string[] {
    return [...this.#values.keys()];
  }

  values(): T[] {
    return [...this.#values.values()].map((claim) => claim.value);
  }
}

/**
 * Merges edits, in isolator order, into one OCI runtime document. Lists keep that order; what two isolators set
 * alike counts once; what they set differently is a `CONFLICT` that names both.
 */
export function mergeEdits(
  all: readonly NamedEdits[],
  target: { readonly rootfs: string; readonly cgroupPath: string },
): MergedDocument {
  const scalars = new Claims<unknown>();
  const env = new Claims<string>();
  const defaultEnv = new Claims<string>();
  const secretEnv = new Set<string>();
  const secretFiles = new Claims<SecretFile>();
  const mounts = new Claims<OciSpec['mounts'][number]>();
  const namespaces = new Claims<OciSpec['linux']['namespaces'][number]>();
  const devices = new Claims<NonNullable<OciSpec['linux']['devices']>[number]>();
  const rlimits = new Claims<RlimitEdit>();
  const sysctl = new Claims<readonly [string, string]>();
  const resources = new Claims<unknown>();
  const annotations = new Claims<readonly [string, string]>();
  const masked = new Set<string>();
  const readonlyPaths = new Set<string>();
  const cgroups = new Set<string>();
  const groups = new Set<number>();

  for (const { isolator, edits } of all) {
    if (isEmpty(edits)) continue;
    for (const field of scalarFields) {
      if (edits[field] !== undefined) scalars.set(field, edits[field], isolator);
    }
    for (const [name, value] of Object.entries(edits.env ?? {})) env.set(`env ${name}`, `${name}=${value}`, isolator);
    for (const [name, value] of Object.entries(edits.defaultEnv ?? {}))
      defaultEnv.set(`env ${name}`, `${name}=${value}`, isolator);
    for (const name of edits.secretEnv ?? []) secretEnv.add(name);
    for (const file of edits.secretFiles ?? []) secretFiles.set(`secret file ${file.id}`, file, isolator);
    for (const mount of edits.mounts ?? []) mounts.set(`mount ${mount.destination}`, mount, isolator);
    for (const namespace of edits.namespaces ?? []) namespaces.set(`namespace ${namespace.type}`, namespace, isolator);
    for (const device of edits.devices ?? []) devices.set(`device ${device.path}`, device, isolator);
    for (const rlimit of edits.rlimits ?? []) rlimits.set(`rlimit ${rlimit.type}`, rlimit, isolator);
    for (const [name, value] of Object.entries(edits.sysctl ?? {}))
      sysctl.set(`sysctl ${name}`, [name, value], isolator);
    for (const [field, value] of leaves(edits.resources)) resources.set(`resources.${field}`, value, isolator);
    for (const [name, value] of Object.entries(edits.annotations ?? {}))
      annotations.set(`annotation ${name}`, [name, value], isolator);
    for (const path of edits.maskedPaths ?? []) masked.add(path);
    for (const path of edits.readonlyPaths ?? []) readonlyPaths.add(path);
    for (const path of edits.cgroups ?? []) cgroups.add(path);
    for (const gid of edits.additionalGids ?? []) groups.add(gid);
  }

  const scalar = <F extends ScalarField>(field: F) => scalars.get(field) as IsolatorEdits[F];
  const args = scalar('args');
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
      user: withGroups(scalar('user') ?? { uid: 0, gid: 0 }, groups),
      args: [...args],
      env: [...defaultEnv.keys(), ...env.keys()]
        .filter((key, index, keys) => keys.indexOf(key) === index)
        .map((key) => env.get(key) ?? defaultEnv.get(key) ?? ''),
      cwd: scalar('cwd') ?? '/',
      ...optional('capabilities', scalar('capabilities')),
      rlimits: rlimits.values().map(({ type, soft, hard }) => ({ type, soft, hard })),
      ...optional('noNewPrivileges', scalar('noNewPrivileges')),
      ...optional('oomScoreAdj', scalar('oomScoreAdj')),
    },
    root: { path: target.rootfs, readonly: scalar('rootReadonly') ?? false },
    ...optional('hostname', scalar('hostname')),
    // From the root down, so that none hides another.
    mounts: mounts.values().sort((a, b) => depthOf(a.destination) - depthOf(b.destination)),
    ...optional('hooks', mergedHooks(all)),
    ...optional('annotations', fromEntries(annotations.values())),
    linux: {
      namespaces: namespaces.values(),
      ...optional(
        'uidMappings',
        scalar('uidMappings')?.map((mapping) => ({ ...mapping })),
      ),
      ...optional(
        'gidMappings',
        scalar('gidMappings')?.map((mapping) => ({ ...mapping })),
      ),
      ...optional('timeOffsets', scalar('timeOffsets')),
      devices: devices.values(),
      cgroupsPath: target.cgroupPath,
      resources: mergedResources(all),
      sysctl: Object.fromEntries(sysctl.values()),
      maskedPaths: [...masked],
      readonlyPaths: [...readonlyPaths],
      ...optional('rootfsPropagation', scalar('rootfsPropagation')),
      ...optional('seccomp', scalar('seccomp')),
    },
  };
  const clampedRlimits = rlimits
    .values()
    .filter((rlimit) => rlimit.origin === 'default')
    .map((rlimit) => rlimit.type);
  return {
    config,
    cgroups: [...cgroups],
    clampedRlimits,
    ...optional('landlock', scalar('landlock')),
    ...(secretEnv.size > 0 ? { secretEnv: [...secretEnv] } : {}),
    ...optional('secretFiles', nonEmpty(secretFiles.values())),
  };
}

const scalarFields = [
  'args',
  'cwd',
  'user',
  'capabilities',
  'noNewPrivileges',
  'oomScoreAdj',
  'hostname',
  'rootReadonly',
  'seccomp',
  'landlock',
  'uidMappings',
  'gidMappings',
  'timeOffsets',
  'rootfsPropagation',
] as const;
type ScalarField = (typeof scalarFields)[number];

function optional<K extends string, V>(key: K, value: V | undefined): { [P in K]?: V } {
  return value === undefined ? {} : ({ [key]: value } as { [P in K]?: V });
}

/** Every leaf of the resources document with its dotted path. Lists are nobody's own: all may add to them. */
function* leaves(value: object | undefined, prefix = ''): Generator<[string, unknown]> {
  for (const [name, item] of Object.entries(value ?? {})) {
    if (isObject(item) && !Array.isArray(item)) yield* leaves(item, `${prefix}${name}.`);
    else if (item !== undefined && !Array.isArray(item)) yield [`${prefix}${name}`, item];
  }
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

/** Most isolators have nothing to ask for. */
function isEmpty(edits: IsolatorEdits): boolean {
  for (const _ in edits) return false;
  return true;
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}

function fromEntries(entries: readonly (readonly [string, string])[]): Record<string, string> | undefined {
  return entries.length === 0 ? undefined : Object.fromEntries(entries);
}
