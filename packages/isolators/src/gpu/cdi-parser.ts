import { parseDocument } from 'yaml';
import { devicePattern, kindPattern } from './cdi-names.js';
import {
  type CdiDevice,
  type CdiDeviceNode,
  type CdiEdits,
  type CdiHook,
  type CdiIntelRdt,
  type CdiMount,
  type CdiNetDevice,
  type CdiSpec,
  cdiHookNames,
} from './cdi-spec.js';
import { type CdiVersion, cdiVersions, droppedBy, tooNewFor } from './cdi-versions.js';
import {
  absolute,
  boolean,
  fault,
  integer,
  list,
  matching,
  nonEmpty,
  object,
  oneOf,
  optional,
  text,
  textByName,
} from './document-fields.js';

const variable = matching(/^[^=]+=/, 'must be NAME=value');
const id = integer(0, 0xffff_fffe);

const deviceNode = object<CdiDeviceNode>({
  path: absolute,
  hostPath: optional(absolute),
  type: optional(oneOf(['b', 'c', 'u', 'p'])),
  major: optional(integer(0, 0xfff)),
  minor: optional(integer(0, 0xf_ffff)),
  fileMode: optional(integer(0, 0o7777)),
  permissions: optional(matching(/^(none|(?!.*(.).*\2)[rwm]*)$/, "must be of 'r', 'w' and 'm', each once, or 'none'")),
  uid: optional(id),
  gid: optional(id),
});

const mount = object<CdiMount>({
  hostPath: nonEmpty,
  containerPath: absolute,
  type: optional(nonEmpty),
  options: optional(list(nonEmpty)),
});

const hook = object<CdiHook>({
  hookName: oneOf(cdiHookNames),
  path: absolute,
  args: optional(list(text)),
  env: optional(list(variable)),
  timeout: optional(integer(1, 86_400)),
});

const intelRdt = object<CdiIntelRdt>({
  closID: optional(matching(/^(\/|(?!\.{1,2}$)[^/\n]{0,4095})$/, 'must be a file name, or /')),
  l3CacheSchema: optional(text),
  memBwSchema: optional(text),
  schemata: optional(list(text)),
  enableMonitoring: optional(boolean),
  enableCMT: optional(boolean),
  enableMBM: optional(boolean),
});

const netDevice = object<CdiNetDevice>({ hostInterfaceName: nonEmpty, name: nonEmpty });

const edits = object<CdiEdits>({
  env: optional(list(variable)),
  deviceNodes: optional(list(deviceNode)),
  mounts: optional(list(mount)),
  hooks: optional(list(hook)),
  additionalGids: optional(list(id)),
  intelRdt: optional(intelRdt),
  netDevices: optional(list(netDevice)),
});

const device = object<CdiDevice>({
  name: matching(devicePattern, 'must be letters, digits, and -_.: within'),
  annotations: optional(textByName),
  containerEdits: edits,
});

const spec = object<CdiSpec>({
  cdiVersion: matching(/^v?\d/, `must be one of ${cdiVersions.join(', ')}`),
  kind: matching(kindPattern, 'must be vendor.com/class'),
  annotations: optional(textByName),
  devices: list(device),
  containerEdits: optional(edits),
});

/**
 * A specification out of a value, as JSON.parse gives it. `INVALID_DOCUMENT`, with `details.file` and `details.path`, for anything
 * that the specification of its version does not have. Pure.
 */
export function parseCdiSpec(value: unknown, file: string): CdiSpec {
  const at = (path: string) => ({ file, path });
  const parsed = spec(value, at(''));
  const version = cdiVersions.find((each) => each === parsed.cdiVersion.replace(/^v/, ''));
  if (version === undefined) {
    throw fault(at('cdiVersion'), `${parsed.cdiVersion} is not one of ${cdiVersions.join(', ')}`);
  }
  checkDevices(parsed, file);
  checkVersion(parsed, version, file);
  return parsed;
}

/** As {@link parseCdiSpec}, of a file's text: YAML if the file is called so, else JSON. */
export function parseCdiText(source: string, file: string): CdiSpec {
  return parseCdiSpec(/\.ya?ml$/.test(file) ? yamlValue(source, file) : jsonValue(source, file), file);
}

function checkDevices({ devices }: CdiSpec, file: string): void {
  const at = (path: string) => ({ file, path });
  if (devices.length === 0) throw fault(at('devices'), 'there must be one at least');
  const names = new Set<string>();
  devices.forEach(({ name, containerEdits }, index) => {
    if (names.has(name)) throw fault(at(`devices[${index}].name`), `${name} is there twice`);
    names.add(name);
    const isEmpty = Object.values(containerEdits).every((part) => Object.keys(part as object).length === 0);
    if (isEmpty) throw fault(at(`devices[${index}].containerEdits`), 'must not be empty');
  });
}

function checkVersion(parsed: CdiSpec, version: CdiVersion, file: string): void {
  const dropped = droppedBy(version, parsed);
  if (dropped !== undefined)
    throw fault({ file, path: 'cdiVersion' }, `${version} has no intelRdt.${dropped} any more`);
  const found = tooNewFor(version, parsed);
  if (!found) return;
  throw fault({ file, path: 'cdiVersion' }, `${version} has no ${found.what}, which needs ${found.since} or later`);
}

function jsonValue(source: string, file: string): unknown {
  try {
    return JSON.parse(source);
  } catch (cause) {
    throw fault({ file, path: '' }, `is not JSON: ${(cause as Error).message}`);
  }
}

/** Aliases can make a small file a large one, and are not followed without end. */
const maxAliases = 100;

function yamlValue(source: string, file: string): unknown {
  const document = parseDocument(source, { version: '1.2', schema: 'core', uniqueKeys: true, logLevel: 'error' });
  const [problem] = [...document.errors, ...document.warnings];
  if (problem) throw fault({ file, path: '' }, `is not YAML: ${firstLine(problem.message)}`);
  try {
    return document.toJS({ maxAliasCount: maxAliases });
  } catch (cause) {
    throw fault({ file, path: '' }, `is not YAML: ${firstLine((cause as Error).message)}`);
  }
}

function firstLine(message: string): string {
  return message.split('\n')[0] ?? message;
}
