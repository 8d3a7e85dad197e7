import type { OciDevice, OciSpec } from '@gantry/interface';
import type { DeviceStep, SymlinkStep } from '../protocol.generated.js';
import { mountPoint } from './mounts.js';
import { absolutePath, integer, invalid, maxId } from './refusal.js';

/** `S_IF*` of inode(7). */
const fileTypes: ReadonlyMap<string, number> = new Map([
  ['c', 0o020000],
  ['u', 0o020000],
  ['b', 0o060000],
  ['p', 0o010000],
]);

/** The nodes that the specification promises to every container. */
const defaultDevices: readonly OciDevice[] = [
  { type: 'c', path: '/dev/null', major: 1, minor: 3 },
  { type: 'c', path: '/dev/zero', major: 1, minor: 5 },
  { type: 'c', path: '/dev/full', major: 1, minor: 7 },
  { type: 'c', path: '/dev/random', major: 1, minor: 8 },
  { type: 'c', path: '/dev/urandom', major: 1, minor: 9 },
  { type: 'c', path: '/dev/tty', major: 5, minor: 0 },
];

const defaultLinks: readonly SymlinkStep[] = [
  { op: 'symlink', target: '/proc/self/fd', path: '/dev/fd' },
  { op: 'symlink', target: '/proc/self/fd/0', path: '/dev/stdin' },
  { op: 'symlink', target: '/proc/self/fd/1', path: '/dev/stdout' },
  { op: 'symlink', target: '/proc/self/fd/2', path: '/dev/stderr' },
  { op: 'symlink', target: '/proc/kcore', path: '/dev/core' },
];

const terminalLink: SymlinkStep = { op: 'symlink', target: 'pts/ptmx', path: '/dev/ptmx' };

/**
 * The document's devices, then the default devices and links that it lacks. The defaults go only into a file system
 * that the document itself mounts at /dev: any other /dev is the image's or the host's, and is left as it is. With `binds`,
 * for a user namespace, in which nobody may make devices, they are the host's nodes of the same paths, with their modes.
 */
export function compileDevices(config: OciSpec, binds: boolean): readonly (DeviceStep | SymlinkStep)[] {
  const asked = config.linux.devices ?? [];
  const steps = asked.map((device, index) => compileDevice(device, `linux.devices[${index}]`, binds));
  const fresh = config.mounts.filter((mount) => mount.type !== 'bind' && !mount.options?.some(isBind)).map(mountPoint);
  if (!fresh.includes('/dev')) return steps;
  const taken = new Set([...asked.map(({ path }) => path), ...config.mounts.map(mountPoint)]);
  const devices = defaultDevices.filter(({ path }) => !taken.has(path));
  const links = fresh.includes('/dev/pts') ? [...defaultLinks, terminalLink] : defaultLinks;
  return [
    ...steps,
    ...devices.map((device) => compileDevice(device, device.path, binds)),
    ...links.filter(({ path }) => !taken.has(path)),
  ];
}

function compileDevice(device: OciDevice, field: string, binds: boolean): DeviceStep {
  const type = fileTypes.get(device.type);
  if (type === undefined) throw invalid(`${field}.type`, `there is no device type ${JSON.stringify(device.type)}`);
  if (device.type !== 'p' && (device.major === undefined || device.minor === undefined)) {
    throw invalid(field, `a device of type ${device.type} needs major and minor`);
  }
  const path = absolutePath(device.path, `${field}.path`);
  return {
    op: 'device',
    host: binds && device.type !== 'p' ? path : '',
    path,
    type,
    major: integer(device.major ?? 0, 0, 0xfff, `${field}.major`),
    minor: integer(device.minor ?? 0, 0, 0xfffff, `${field}.minor`),
    mode: integer(device.fileMode ?? 0o666, 0, 0o7777, `${field}.fileMode`),
    uid: integer(device.uid ?? 0, 0, maxId, `${field}.uid`),
    gid: integer(device.gid ?? 0, 0, maxId, `${field}.gid`),
  };
}

function isBind(option: string): boolean {
  return option === 'bind' || option === 'rbind';
}
