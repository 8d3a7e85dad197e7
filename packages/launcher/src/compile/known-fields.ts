import type { OciSpec } from '@gantry/interface';
import { unsupported } from './refusal.js';

/** Every field that the compiler reads, or that others carry out, by the object that holds it. */
const known = {
  spec: ['ociVersion', 'process', 'root', 'hostname', 'mounts', 'hooks', 'annotations', 'linux'],
  root: ['path', 'readonly'],
  hooks: ['createContainer', 'startContainer'],
  hook: ['path', 'args', 'env', 'timeout'],
  process: [
    'terminal',
    'user',
    'args',
    'env',
    'cwd',
    'capabilities',
    'rlimits',
    'noNewPrivileges',
    'oomScoreAdj',
    'consoleSize',
  ],
  user: ['uid', 'gid', 'umask', 'additionalGids'],
  capabilities: ['bounding', 'effective', 'permitted', 'inheritable', 'ambient'],
  rlimit: ['type', 'soft', 'hard'],
  mount: ['destination', 'type', 'source', 'options', 'uidMappings', 'gidMappings'],
  linux: [
    'namespaces',
    'uidMappings',
    'gidMappings',
    'timeOffsets',
    'devices',
    'cgroupsPath',
    'resources',
    'sysctl',
    'maskedPaths',
    'readonlyPaths',
    'rootfsPropagation',
    'seccomp',
  ],
  namespace: ['type', 'path'],
  mapping: ['containerID', 'hostID', 'size'],
  device: ['type', 'path', 'major', 'minor', 'fileMode', 'uid', 'gid'],
  resources: ['cpu', 'memory', 'pids', 'devices', 'blockIO', 'hugepageLimits', 'network', 'unified'],
} as const satisfies Record<string, readonly string[]>;

/** Refuses a document with a field that nothing would carry out, such as `hooks.poststop` or `linux.intelRdt`. */
export function refuseUnknownFields(config: OciSpec): void {
  const { process, linux } = config;
  check(config, 'spec', '');
  check(config.root, 'root', 'root');
  check(config.hooks ?? {}, 'hooks', 'hooks');
  checkEach(config.hooks?.createContainer, 'hook', 'hooks.createContainer');
  checkEach(config.hooks?.startContainer, 'hook', 'hooks.startContainer');
  check(process, 'process', 'process');
  check(process.user, 'user', 'process.user');
  check(process.capabilities ?? {}, 'capabilities', 'process.capabilities');
  checkEach(process.rlimits, 'rlimit', 'process.rlimits');
  checkEach(config.mounts, 'mount', 'mounts');
  check(linux, 'linux', 'linux');
  checkEach(linux.namespaces, 'namespace', 'linux.namespaces');
  checkEach(linux.uidMappings, 'mapping', 'linux.uidMappings');
  checkEach(linux.gidMappings, 'mapping', 'linux.gidMappings');
  checkEach(linux.devices, 'device', 'linux.devices');
  check(linux.resources ?? {}, 'resources', 'linux.resources');
}

function checkEach(items: readonly object[] | undefined, kind: keyof typeof known, path: string): void {
  items?.forEach((item, index) => {
    check(item, kind, `${path}[${index}]`);
  });
}

function check(holder: object, kind: keyof typeof known, path: string): void {
  const names: readonly string[] = known[kind];
  for (const [name, value] of Object.entries(holder)) {
    if (value === undefined || names.includes(name)) continue;
    throw unsupported(path === '' ? name : `${path}.${name}`, 'the launcher has no step for this field');
  }
}
