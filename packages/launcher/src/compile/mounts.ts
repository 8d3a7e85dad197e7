import type { LaunchRequest, OciMount, SecretFile } from '@gantry/interface';
import type { MountStep, SetPropagationStep, Step } from '../protocol.generated.js';
import { compileBind } from './binds.js';
import type { CompileInputs } from './inputs.js';
import { compileSecretFiles } from './memory-files.js';
import { parseMountOptions, toMountFlags } from './mount-options.js';
import { compileOverlay } from './overlays.js';
import type { ParsedMount } from './parsed-mount.js';
import { absolutePath, invalid, unsupported } from './refusal.js';

const MS_REC = 0x4000;
const MS_PRIVATE = 0x40000;
const MS_SLAVE = 0x80000;

export interface CompiledMounts {
  /** What has to be cloned while the mounts of the host are still its own. */
  readonly early: readonly Step[];
  readonly propagation: SetPropagationStep;
  readonly steps: readonly Step[];
}

/** The mounts of a document in its order, and the propagation of the tree in which they are made. */
export function compileMounts(request: LaunchRequest, inputs: CompileInputs): CompiledMounts {
  const { config, cgroupVersion } = request;
  const early: Step[] = [];
  const steps = config.mounts.flatMap((mount, index): readonly Step[] => {
    const field = `mounts[${index}]`;
    const options = parseMountOptions(mount.options ?? [], `${field}.options`);
    const parsed: ParsedMount = { mount, options, field };
    if (options.bind || mount.type === 'bind') {
      const bind = compileBind(parsed, inputs.pins?.[mount.destination]);
      early.push(...bind.early);
      return bind.steps;
    }
    refuseIdmap(parsed);
    if (mount.type === 'overlay') return [compileOverlay(parsed, request.stateDir)];
    const files = secretFilesOf(request, mount);
    return files.length > 0 ? compileSecretFiles(parsed, files, inputs.secrets) : [compileMount(parsed, cgroupVersion)];
  });
  return { early, propagation: compilePropagation(config.linux.rootfsPropagation), steps };
}

/** The destination of a mount without repeated or final slashes, to tell whether it is, say, `/dev`. */
export function mountPoint(mount: OciMount): string {
  return mount.destination.replace(/\/+/g, '/').replace(/(?<=.)\/$/, '');
}

/** Nothing that is mounted in the container reaches the host. A bind that is to be shared is cloned before. */
function compilePropagation(root: string | undefined): SetPropagationStep {
  if (root !== undefined && !/^r?(private|slave)$/.test(root)) {
    throw unsupported('linux.rootfsPropagation', `${root} is not supported; use private or slave`);
  }
  return { op: 'setPropagation', flags: MS_REC | (root === 'slave' || root === 'rslave' ? MS_SLAVE : MS_PRIVATE) };
}

function refuseIdmap({ mount, options, field }: ParsedMount): void {
  const name = options.idmap ? 'options' : mount.uidMappings ? 'uidMappings' : mount.gidMappings ? 'gidMappings' : '';
  if (name !== '') throw unsupported(`${field}.${name}`, 'only a bind mount can be idmapped');
}

function secretFilesOf({ secretFiles }: LaunchRequest, mount: OciMount): readonly SecretFile[] {
  if (mount.type !== 'ramfs' || !secretFiles) return [];
  return secretFiles.filter(({ destination }) => destination === mount.destination);
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
