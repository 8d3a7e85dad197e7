import * as is from './fields.js';

const id = is.integer(0, 0xfffffffe);
const bits = is.integer(0, 0o7777);
const name: is.Check = (value, field) => {
  if (typeof value !== 'string' || !/^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/.test(value)) {
    throw is.invalid(
      field,
      'must be 1 to 64 letters, digits, dots, dashes or underscores, starting with one of the first two',
    );
  }
};
const owner = is.object({ mode: bits, uid: id, gid: id });
const mapping = is.object({ source: id, target: id, size: is.integer(1, 0xffffffff) }, ['source', 'target', 'size']);
const mappings: is.Check = (value, field) => {
  is.list(mapping)(value, field);
  if ((value as unknown[]).length === 0) throw is.invalid(field, 'must not be empty');
};
const texts = is.record(is.nonEmptyString, is.string);
const target = { type: is.string, target: is.absolutePath, readonly: is.boolean };

/** `SecretReference`. */
export const secretReference = is.object({ name: is.nonEmptyString, key: is.nonEmptyString }, ['name']);

const fileName: is.Check = (value, field) => {
  is.nonEmptyString(value, field);
  const text = value as string;
  if (text.includes('/') || text === '.' || text === '..' || Buffer.byteLength(text) > 255) {
    throw is.invalid(field, 'must be the name of a file');
  }
};

/** `PullPolicy`. */
export const pullPolicy = is.object({
  platform: is.object({
    os: is.nonEmptyString,
    architecture: is.nonEmptyString,
    variant: is.string,
    osVersion: is.string,
  }),
  credentials: is.object({ username: is.string, password: is.string, identityToken: is.string }),
  force: is.boolean,
  checkAccess: is.boolean,
});

const bindReadonly: is.Check = (value, field) => {
  if (value !== 'shallow') is.boolean(value, field);
};
const bindFields = {
  ...target,
  source: is.absolutePath,
  readonly: bindReadonly,
  recursive: is.boolean,
  propagation: is.oneOf('private', 'rslave', 'rshared'),
  noexec: is.boolean,
  nosuid: is.boolean,
  idmap: is.object({ uids: mappings, gids: mappings }, ['uids', 'gids']),
  create: owner,
};

const tmpfsFields = {
  type: is.string,
  target: is.absolutePath,
  size: is.integer(4096, Number.MAX_SAFE_INTEGER),
  mode: bits,
  uid: id,
  gid: id,
  inodes: is.integer(1, Number.MAX_SAFE_INTEGER),
};

const sandboxFields = { ...target, of: is.oneOf('self', 'parent'), volume: is.absolutePath, path: is.nonEmptyString };

const secretFields = is.object(
  {
    type: is.string,
    target: is.absolutePath,
    secret: secretReference,
    files: is.record(fileName, secretReference),
    mode: is.integer(0, 0o777),
    uid: id,
    gid: id,
  },
  ['target'],
);
const secret: is.Check = (value, field) => {
  secretFields(value, field);
  const { secret: single, files } = value as { secret?: object; files?: object };
  if ((single === undefined) === (files === undefined)) {
    throw is.invalid(`${field}.secret`, 'exactly one of secret and files must be given');
  }
  if (files && Object.keys(files).length === 0) throw is.invalid(`${field}.files`, 'must not be empty');
};

const csiFields = {
  ...target,
  driver: is.nonEmptyString,
  volume: is.nonEmptyString,
  accessMode: is.oneOf(
    'SINGLE_NODE_WRITER',
    'SINGLE_NODE_READER_ONLY',
    'MULTI_NODE_READER_ONLY',
    'MULTI_NODE_SINGLE_WRITER',
    'MULTI_NODE_MULTI_WRITER',
  ),
  fsType: is.string,
  mountFlags: is.list(is.nonEmptyString),
  context: texts,
  create: is.object({ size: is.integer(1, Number.MAX_SAFE_INTEGER), parameters: texts }),
  secrets: is.record(is.nonEmptyString, secretReference),
};

/** Of each type of mount, its fields. */
const kinds: Readonly<Record<string, is.Check>> = {
  bind: is.object(bindFields, ['source', 'target']),
  tmpfs: is.object(tmpfsFields, ['target']),
  sandbox: is.object(sandboxFields, ['of', 'path', 'target']),
  image: is.object({ ...target, image: is.nonEmptyString, pull: pullPolicy }, ['image', 'target']),
  secret,
  persistent: is.object({ ...target, id: name, owner }, ['id', 'target']),
  docker: is.object({ ...target, driver: name, name: is.nonEmptyString, options: texts }, ['driver', 'name', 'target']),
  csi: is.object(csiFields, ['driver', 'volume', 'target']),
};

/** One item of `spec.mounts`. */
export const mount: is.Check = (value, field) => {
  const type = (value as { type?: unknown } | null)?.type;
  const check = typeof type === 'string' && Object.hasOwn(kinds, type) ? kinds[type] : undefined;
  if (!check) throw is.invalid(`${field}.type`, `must be one of ${Object.keys(kinds).join(', ')}`);
  check(value, field);
};
