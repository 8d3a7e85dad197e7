import type { Isolator, OciResources, Resources } from '@gantry/interface';
import { invalidField, refused } from '../errors.js';
import type { MemoryLimits } from './cgroups.js';
import { changeSettings, wholeSettings } from './changes.js';
import { controllerIsolator } from './controller-isolator.js';
import { type CgroupIsolatorOptions, groupOf } from './isolator.js';
import { MemoryEventQueue } from './memory-event-queue.js';
import { checkTriggers } from './memory-triggers.js';
import { memoryLimitation } from './out-of-memory.js';
import { given, noCgroup, readFiles } from './text-files.js';

const name = 'cgroups/mem';

/** Bytes. A smaller limit would kill the container's first process before it is set up. */
export const minMemoryLimit = 4 * 1024 * 1024;

/**
 * `cgroups/mem`: `requests.memory` is what the kernel leaves the container under pressure, `limits.memory` what it may
 * use, page cache included, `limits.memoryHigh` where it begins to be held back (v2), and `limits.swap` what it may swap out on top. Reports a kill for want of memory as the
 * container's limitation, and to who asks, as they happen, limits that are met and pressure. On v2 such a kill ends the whole container; an update never does: one that would is refused.
 */
export function cgroupsMem(options: CgroupIsolatorOptions): Isolator {
  const { cgroups } = options;
  const limitsOf = (resources: Resources | undefined) => memoryLimits(resources, cgroups.versionOf('memory'));
  return controllerIsolator(options, {
    name,
    controller: 'memory',
    resources: ({ spec }) => memoryResources(limitsOf(spec.resources), cgroups.versionOf('memory')),
    settings: ({ spec }) => cgroups.memory.settings(limitsOf(spec.resources)),
    async usage(id) {
      const path = groupOf(options, id);
      const files = await readFiles(cgroups, path, cgroups.memory.usageFiles);
      if (files.size === 0) throw noCgroup(id, path);
      return { memory: cgroups.memory.usage(files) };
    },
    async update(id, resources, call) {
      const settings = wholeSettings(cgroups.memory, limitsOf(resources));
      const group = { cgroups, id, path: groupOf(options, id), isolator: name };
      await changeSettings(group, settings, cgroups.memory, call);
    },
    memoryEvents(id, { pressure = [], ...signals }) {
      checkTriggers(pressure);
      const path = groupOf(options, id);
      const file = (called: string) => cgroups.file(path, called);
      return new MemoryEventQueue(signals, (tell) => cgroups.memory.events(file, pressure, tell, name));
    },
    limitation: (id) => memoryLimitation(cgroups, groupOf(options, id), name),
  });
}

/** `REFUSED` below the smallest limit, where Mesos would quietly give 32 MiB. */
function memoryLimits(resources: Resources | undefined, version: 'v1' | 'v2'): MemoryLimits {
  const request = checked(resources?.requests?.memory, 'spec.resources.requests.memory', 1);
  const limit = checked(resources?.limits?.memory, 'spec.resources.limits.memory', 1);
  const high = checked(resources?.limits?.memoryHigh, 'spec.resources.limits.memoryHigh', 1);
  const swap = checked(resources?.limits?.swap, 'spec.resources.limits.swap', 0);
  if (high !== undefined && version === 'v1') {
    throw refused(name, 'cgroup v1 has no limits.memoryHigh', 'use limits.memory, or a host with cgroup v2', {
      details: { field: 'spec.resources.limits.memoryHigh' },
    });
  }
  if (high !== undefined && limit !== undefined && high > limit) {
    throw invalidField('spec.resources.limits.memoryHigh', `${high} is above the limit of ${limit}`);
  }
  if (limit !== undefined && limit < minMemoryLimit) {
    throw refused(name, `a memory limit of ${limit} bytes is too small to run in`, `use ${minMemoryLimit} or more`);
  }
  if (request !== undefined && limit !== undefined && request > limit) {
    throw invalidField('spec.resources.requests.memory', `${request} is above the limit of ${limit}`);
  }
  if (swap !== undefined && limit === undefined) {
    throw invalidField('spec.resources.limits.swap', 'counts on top of limits.memory, which is not given');
  }
  return given({ request, high, limit, swap });
}

function checked(bytes: number | undefined, field: string, min: number): number | undefined {
  if (bytes !== undefined && !(Number.isSafeInteger(bytes) && bytes >= min)) {
    throw invalidField(field, `must be a whole number of bytes from ${min}, not ${bytes}`);
  }
  return bytes;
}

function memoryResources({ request, high, limit, swap }: MemoryLimits, version: 'v1' | 'v2'): OciResources {
  return {
    memory: {
      ...(limit === undefined ? {} : { limit, swap: limit + (swap ?? 0) }),
      ...(request === undefined ? {} : { reservation: request }),
    },
    ...(version === 'v2'
      ? { unified: { 'memory.oom.group': '1', ...(high === undefined ? {} : { 'memory.high': String(high) }) } }
      : {}),
  };
}
