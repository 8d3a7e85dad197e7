import { randomUUID } from 'node:crypto';
import type { ContainerId, ContainerMount, ContainerSpec, ExecSpec, PullPolicy, Resources } from '@gantry/interface';
import * as is from './fields.js';
import { parseSignal } from './signals.js';
import { device } from './spec-devices.js';
import { landlock } from './spec-landlock.js';
import { mount, pullPolicy, secretReference } from './spec-mounts.js';
import { checkNetworks, networkFields } from './spec-network.js';
import { checkPorts, portFields } from './spec-ports.js';
import { resources } from './spec-resources.js';
import { seccomp } from './spec-seccomp.js';
import { timeOffsets } from './spec-time.js';
import { userNamespace } from './spec-user-namespace.js';

const idPattern = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/;

/** Container ids become file names and control-group names. */
export function checkId(id: unknown, field = 'id'): asserts id is ContainerId {
  if (typeof id !== 'string' || !idPattern.test(id)) {
    throw is.invalid(
      field,
      'must be 1 to 64 letters, digits, dots, dashes or underscores, starting with a letter or digit',
    );
  }
}

const environmentName: is.Check = (value, field) => {
  if (typeof value !== 'string' || !/^[^=\0]+$/.test(value))
    throw is.invalid(field, 'must not be empty or contain = or NUL');
};

const rlimitValue = is.integer(0, Number.MAX_SAFE_INTEGER);

const cells = is.integer(1, 0xffff);
const terminalSize = is.object({ columns: cells, rows: cells }, ['columns', 'rows']);
const tty: is.Check = (value, field) => {
  if (typeof value !== 'boolean') terminalSize(value, field);
};

export const sharedNamespaces = is.list(is.oneOf('network', 'ipc', 'uts', 'pid'));

const check = is.object({
  id: checkId,
  image: is.nonEmptyString,
  rootfs: is.absolutePath,
  sandbox: is.boolean,
  parent: checkId,
  share: sharedNamespaces,
  shareCgroups: is.boolean,
  pull: pullPolicy,
  command: is.list(is.string),
  args: is.list(is.string),
  env: is.record(environmentName, is.string),
  secretEnv: is.record(environmentName, secretReference),
  workingDir: is.absolutePath,
  user: is.nonEmptyString,
  hostname: is.nonEmptyString,
  mounts: is.list(mount),
  devices: is.list(device),
  readonlyRootfs: is.boolean,
  shmSize: is.integer(4096, Number.MAX_SAFE_INTEGER),
  maskedPaths: is.list(is.absolutePath),
  readonlyPaths: is.list(is.absolutePath),
  resources,
  ...networkFields,
  ...portFields,
  pid: is.oneOf('private', 'host'),
  userNamespace,
  timeOffsets,
  capabilities: is.object({ add: is.list(is.nonEmptyString), drop: is.list(is.nonEmptyString) }),
  seccomp,
  landlock,
  rlimits: is.list(
    is.object({ type: is.nonEmptyString, soft: rlimitValue, hard: rlimitValue }, ['type', 'soft', 'hard']),
  ),
  sysctls: is.record(is.nonEmptyString, is.string),
  oomScoreAdj: is.integer(-1000, 1000),
  labels: is.record(is.string, is.string),
  stopSignal: (value) => {
    parseSignal(value as string | number, 'spec.stopSignal');
  },
  tty,
  stdin: is.boolean,
  init: is.boolean,
  log: is.object({
    format: is.oneOf('cri', 'json', 'plain'),
    maxBytes: is.integer(4096, Number.MAX_SAFE_INTEGER),
    maxFiles: is.integer(1, 1000),
  }),
});

/** What a sandbox, which runs no program, cannot have. */
const ofPrograms = [
  'command',
  'args',
  'secretEnv',
  'workingDir',
  'user',
  'mounts',
  'devices',
  'landlock',
  'tty',
  'stdin',
  'init',
  'log',
  'pull',
] as const;

/** A spec that passed, with an id of its own. */
export type CheckedSpec = ContainerSpec & { readonly id: ContainerId };

/**
 * Checks the shape of a spec (what the kernel or an isolator refuses is found later) and gives it an id.
 * The result is a copy: the caller may change theirs.
 */
export function checkSpec(spec: ContainerSpec, field = 'spec'): CheckedSpec {
  check(spec, field);
  if ([spec.image, spec.rootfs, spec.sandbox || undefined].filter((root) => root !== undefined).length !== 1) {
    throw is.invalid(`${field}.image`, 'exactly one of image, rootfs and sandbox must be given');
  }
  if (spec.sandbox) {
    const name = ofPrograms.find((name) => spec[name] !== undefined);
    if (name) throw is.invalid(`${field}.${name}`, 'a sandbox runs no program');
  }
  checkNetworks(spec, field);
  checkPorts(spec, field);
  if (spec.share && spec.parent === undefined) throw is.invalid(`${field}.share`, 'there is no parent to share with');
  checkSharedGroups(spec, field);
  if (spec.command?.length === 0)
    throw is.invalid(`${field}.command`, 'must not be an empty array: leave it out instead');
  const twice = Object.keys(spec.secretEnv ?? {}).find((name) => Object.hasOwn(spec.env ?? {}, name));
  if (twice !== undefined) throw is.invalid(`${field}.secretEnv.${twice}`, 'is given in env, too');
  return { ...structuredClone(spec), id: spec.id ?? randomUUID() };
}

/** Limits on what shares its groups would be limits on its parent. */
function checkSharedGroups({ shareCgroups, parent, resources, devices }: ContainerSpec, field: string): void {
  if (!shareCgroups) return;
  if (parent === undefined) throw is.invalid(`${field}.shareCgroups`, 'there is no parent to share with');
  const own = Object.entries({ resources, devices }).find(([, value]) => value !== undefined);
  if (own) throw is.invalid(`${field}.${own[0]}`, 'with shareCgroups the parent has it: give it to that');
}

const checkExec = is.object(
  {
    command: is.list(is.string),
    env: is.record(environmentName, is.string),
    workingDir: is.absolutePath,
    user: is.nonEmptyString,
    tty,
  },
  ['command'],
);

/** Checks the shape of limits that are to replace others. */
export function checkResources(value: Resources): void {
  resources(value, 'resources');
}

/** Checks the shape of what is to be started in a running container. */
export function checkExecSpec(spec: ExecSpec): void {
  checkExec(spec, 'spec');
  if (spec.command.length === 0) throw is.invalid('spec.command', 'must not be empty');
}

/** The spec as it may be written to disk and given to isolators. */
export function withoutCredentials(spec: CheckedSpec): CheckedSpec {
  const mounts = spec.mounts?.some(hasCredentials) ? { mounts: spec.mounts.map(mountWithoutCredentials) } : undefined;
  const checked = mounts ? { ...spec, ...mounts } : spec;
  if (!checked.pull?.credentials) return checked;
  const { credentials: _, ...pull } = checked.pull;
  return { ...checked, pull };
}

function hasCredentials(mount: ContainerMount): boolean {
  return mount.type === 'image' && mount.pull?.credentials !== undefined;
}

/** A mount as it may be written to disk. */
export function mountWithoutCredentials<T extends { readonly type: string }>(mount: T): T {
  const { pull } = mount as { readonly pull?: PullPolicy };
  if (mount.type !== 'image' || !pull?.credentials) return mount;
  const { credentials: _, ...rest } = pull;
  return { ...mount, pull: rest };
}

/** Whether two launches ask for the same container; the order of keys does not matter. */
export function sameSpec(a: CheckedSpec, b: CheckedSpec): boolean {
  return canonical(withoutCredentials(a)) === canonical(withoutCredentials(b));
}

/** JSON with the keys of every object in order. */
export function canonical(value: unknown): string {
  return JSON.stringify(value, (_, item: unknown) =>
    typeof item === 'object' && item !== null && !Array.isArray(item)
      ? Object.fromEntries(Object.entries(item).sort(([a], [b]) => (a < b ? -1 : 1)))
      : item,
  );
}
