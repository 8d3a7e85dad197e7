import type { OciIdMapping } from '@gantry/interface';
import type { BindStep, IdmapStep, OpenTreeStep } from '../protocol.generated.js';
import { toMountAttributes } from './mount-options.js';
import type { ParsedMount } from './parsed-mount.js';
import { absolutePath, integer, invalid, maxId, unsupported } from './refusal.js';

const MS_SLAVE = 0x80000;
const MS_SHARED = 0x100000;

/** The steps of a bind mount, and what must come before the mounts of the host are made private. */
export interface CompiledBind {
  readonly early: readonly (IdmapStep | OpenTreeStep)[];
  readonly steps: readonly (IdmapStep | BindStep)[];
}

/** What was opened before is as it is to be. */
const opened = { source: '', recursive: 0, attributes: 0, recursiveAttributes: 0, idmap: 0, identity: '' };

/** `identity` is what the source must be; see `LaunchRequest.pins`. */
export function compileBind({ mount, options, field }: ParsedMount, identity = ''): CompiledBind {
  if (mount.source === undefined) throw invalid(`${field}.source`, 'a bind mount needs a source');
  const [extra] = options.data;
  if (extra !== undefined) {
    throw unsupported(`${field}.options`, `the mount option ${extra} is not supported on a bind mount`);
  }
  const source = absolutePath(mount.source, `${field}.source`);
  const target = absolutePath(mount.destination, `${field}.destination`);
  const tree = {
    source,
    recursive: options.recursive ? 1 : 0,
    attributes: toMountAttributes(options.flags, `${field}.options`),
    recursiveAttributes: toMountAttributes(options.recursiveFlags, `${field}.options`),
    idmap: options.idmap === undefined ? 0 : options.idmap === 'idmap' ? 1 : 2,
    identity,
  };
  const idmap = compileIdmap({ mount, options, field });
  if (options.propagation === undefined || options.propagation === 'private') {
    return { early: [], steps: [...idmap, { op: 'bind', target, ...tree }] };
  }
  const propagation = options.propagation === 'slave' ? MS_SLAVE : MS_SHARED;
  return {
    early: [...idmap, { op: 'openTree', propagation, ...tree }],
    steps: [{ op: 'bind', target, ...opened }],
  };
}

function compileIdmap({ mount, options, field }: ParsedMount): IdmapStep[] {
  if (!options.idmap) {
    if (!mount.uidMappings && !mount.gidMappings) return [];
    throw unsupported(`${field}.uidMappings`, 'mappings need the option idmap or ridmap');
  }
  const uids = mapLines(mount.uidMappings, `${field}.uidMappings`);
  const gids = mapLines(mount.gidMappings, `${field}.gidMappings`);
  return [{ op: 'idmap', uids, gids }];
}

/** The kernel takes 340 lines a map, in less than a page. */
function mapLines(mappings: readonly OciIdMapping[] | undefined, field: string): string[] {
  if (!mappings || mappings.length === 0) throw invalid(field, 'an idmapped mount needs mappings of its own');
  const lines = mappings.map(({ containerID, hostID, size }, index) => {
    integer(containerID, 0, maxId, `${field}[${index}].containerID`);
    integer(hostID, 0, maxId, `${field}[${index}].hostID`);
    integer(size, 1, maxId - Math.max(containerID, hostID) + 1, `${field}[${index}].size`);
    return `${containerID} ${hostID} ${size}`;
  });
  if (lines.length > 340 || lines.join('\n').length >= 4095)
    throw invalid(field, 'has more ranges than the kernel takes');
  return lines;
}
