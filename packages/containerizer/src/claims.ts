import {
  GantryError,
  type IsolatorEdits,
  type OciDevice,
  type OciMount,
  type OciNamespace,
  type RlimitEdit,
  type SecretFile,
} from '@gantry/interface';

/** Values under a key, each with the isolator that set it; one that two set to different values is a `CONFLICT`. */
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

const isScalar = (field: string): field is ScalarField => (scalarFields as readonly string[]).includes(field);

/** What all isolators ask for, field by field; lists are in isolator order. */
export class AllClaims {
  readonly #scalars = new Claims<unknown>();
  readonly env = new Claims<string>();
  readonly defaultEnv = new Claims<string>();
  readonly secretEnv = new Set<string>();
  readonly secretFiles = new Claims<SecretFile>();
  readonly mounts = new Claims<OciMount>();
  readonly namespaces = new Claims<OciNamespace>();
  readonly devices = new Claims<OciDevice>();
  readonly rlimits = new Claims<RlimitEdit>();
  readonly sysctl = new Claims<readonly [string, string]>();
  readonly #resources = new Claims<unknown>();
  readonly annotations = new Claims<readonly [string, string]>();
  readonly maskedPaths = new Set<string>();
  readonly readonlyPaths = new Set<string>();
  readonly cgroups = new Set<string>();
  readonly additionalGids = new Set<number>();

  scalar<F extends ScalarField>(field: F): IsolatorEdits[F] {
    return this.#scalars.get(field) as IsolatorEdits[F];
  }

  /** Most isolators ask for one or two of all the fields, so it goes by those. */
  add(isolator: string, edits: IsolatorEdits): void {
    for (const field of Object.keys(edits)) {
      if (isScalar(field)) {
        if (edits[field] !== undefined) this.#scalars.set(field, edits[field], isolator);
      } else this.#addList(field, isolator, edits);
    }
  }

  #addList(field: string, isolator: string, edits: IsolatorEdits): void {
    switch (field) {
      case 'env':
        for (const [name, value] of pairs(edits.env)) this.env.set(`env ${name}`, `${name}=${value}`, isolator);
        break;
      case 'defaultEnv':
        for (const [name, value] of pairs(edits.defaultEnv))
          this.defaultEnv.set(`env ${name}`, `${name}=${value}`, isolator);
        break;
      case 'secretEnv':
        for (const name of edits.secretEnv ?? []) this.secretEnv.add(name);
        break;
      case 'secretFiles':
        for (const file of edits.secretFiles ?? []) this.secretFiles.set(`secret file ${file.id}`, file, isolator);
        break;
      case 'mounts':
        for (const mount of edits.mounts ?? []) this.mounts.set(`mount ${mount.destination}`, mount, isolator);
        break;
      case 'namespaces':
        for (const one of edits.namespaces ?? []) this.namespaces.set(`namespace ${one.type}`, one, isolator);
        break;
      case 'devices':
        for (const device of edits.devices ?? []) this.devices.set(`device ${device.path}`, device, isolator);
        break;
      case 'rlimits':
        for (const rlimit of edits.rlimits ?? []) this.rlimits.set(`rlimit ${rlimit.type}`, rlimit, isolator);
        break;
      case 'sysctl':
        for (const pair of pairs(edits.sysctl)) this.sysctl.set(`sysctl ${pair[0]}`, pair, isolator);
        break;
      case 'resources':
        for (const [name, value] of leaves(edits.resources)) this.#resources.set(`resources.${name}`, value, isolator);
        break;
      case 'annotations':
        for (const pair of pairs(edits.annotations)) this.annotations.set(`annotation ${pair[0]}`, pair, isolator);
        break;
      case 'maskedPaths':
        for (const path of edits.maskedPaths ?? []) this.maskedPaths.add(path);
        break;
      case 'readonlyPaths':
        for (const path of edits.readonlyPaths ?? []) this.readonlyPaths.add(path);
        break;
      case 'cgroups':
        for (const path of edits.cgroups ?? []) this.cgroups.add(path);
        break;
      case 'additionalGids':
        for (const gid of edits.additionalGids ?? []) this.additionalGids.add(gid);
        break;
    }
  }
}

function pairs(record: Readonly<Record<string, string>> | undefined): [string, string][] {
  return Object.entries(record ?? {});
}

/** Every leaf of the resources document with its dotted path. Lists are nobody's own: all may add to them. */
function* leaves(value: object | undefined, prefix = ''): Generator<[string, unknown]> {
  for (const [name, item] of Object.entries(value ?? {})) {
    if (Array.isArray(item) || item === undefined) continue;
    if (typeof item === 'object' && item !== null) yield* leaves(item, `${prefix}${name}.`);
    else yield [`${prefix}${name}`, item];
  }
}
