import type { OciMount, OciSpec } from '@gantry/interface';
import type { BindStep, MountStep, SetPropagationStep } from '../protocol.generated.js';
import { type MountOptions, parseMountOptions, toMountAttributes, toMountFlags } from './mount-options.js';
import { absolutePath, invalid, unsupported } from './refusal.js';

const MS_REC = 0x4000;
const MS_PRIVATE = 0x40000;
const MS_SLAVE = 0x80000;

interface ParsedMount {
  readonly mount: OciMount;
  readonly options: MountOptions;
  readonly bind: boolean;
  readonly field: string;
}

export interface CompiledMounts {
  readonly propagation: SetPropagationStep;
  readonly steps: readonly (MountStep | BindStep)[];
}

/** The mounts of a document in its order, and the propagation that they want of the host's tree. */
export function compileMounts(config: OciSpec, cgroupVersion: 'v1' | 'v2'): CompiledMounts {
  const mounts = config.mounts.map((mount, index): ParsedMount => {
    const field = `mounts[${index}]`;
    const options = parseMountOptions(mount.options ?? [], `${field}.options`);
    return { mount, options, bind: options.bind || mount.type === 'bind', field };
  });
  return {
    propagation: compilePropagation(config.linux.rootfsPropagation, mounts),
    steps: mounts.map((parsed) => (parsed.bind ? compileBind(parsed) : compileMount(parsed, cgroupVersion))),
  };
}

/** The destination of a mount without repeated or final slashes, to tell whether it is, say, `/dev`. */
export function mountPoint(mount: OciMount): string {
  return mount.destination.replace(/\/+/g, '/').replace(/(?<=.)\/$/, '');
}

/**
 * Binds inherit the propagation of the tree they are cloned from, so one of them that wants to see later mounts of
 * the host (`rslave`) makes the whole tree a slave; it is private otherwise. A new file system has no peers: both suit it.
 */
function compilePropagation(root: string | undefined, mounts: readonly ParsedMount[]): SetPropagationStep {
  const binds = mounts.filter(({ bind }) => bind);
  const slaves = binds.some(({ options }) => options.propagation === 'slave');
  const secluded = binds.find(({ options }) => options.propagation === 'private');
  if (root !== undefined && !/^r?(private|slave)$/.test(root)) {
    throw unsupported('linux.rootfsPropagation', `${root} is not supported; use private or slave`);
  }
  const slave = slaves || root === 'slave' || root === 'rslave';
  if (slave && secluded) {
    throw unsupported(`${secluded.field}.options`, 'private and slave binds in one container are not supported');
  }
  return { op: 'setPropagation', flags: MS_REC | (slave ? MS_SLAVE : MS_PRIVATE) };
}

function compileBind({ mount, options, field }: ParsedMount): BindStep {
  if (mount.source === undefined) throw invalid(`${field}.source`, 'a bind mount needs a source');
  const [extra] = options.data;
  if (extra !== undefined) {
    throw unsupported(`${field}.options`, `the mount option ${extra} is not supported on a bind mount`);
  }
  return {
    op: 'bind',
    source: absolutePath(mount.source, `${field}.source`),
    target: absolutePath(mount.destination, `${field}.destination`),
    recursive: options.recursive ? 1 : 0,
    attributes: toMountAttributes(options.flags, `${field}.options`),
  };
}

function compileMount({ mount, options, field }: ParsedMount, cgroupVersion: 'v1' | 'v2'): MountStep {
  if (!mount.type || mount.type === 'none') throw invalid(`${field}.type`, 'a mount needs a type, or the option bind');
  const type = fileSystem(mount.type, cgroupVersion, field);
  return {
    op: 'mount',
    type,
    source: mount.source ?? type,
    target: absolutePath(mount.destination, `${field}.destination`),
    flags: toMountFlags(options.flags),
    data: options.data.join(','),
  };
}

/** `cgroup` means the container's own view of the host's tree, which v2 mounts as one file system. */
function fileSystem(type: string, cgroupVersion: 'v1' | 'v2', field: string): string {
  if (type !== 'cgroup') return type;
  if (cgroupVersion === 'v2') return 'cgroup2';
  throw unsupported(`${field}.type`, 'a cgroup mount needs cgroup v2; on v1 bind the folder of each controller');
}
