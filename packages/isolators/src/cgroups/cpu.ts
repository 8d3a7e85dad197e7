import type { Isolator, OciResources, Resources } from '@gantry/interface';
import { invalidField } from '../errors.js';
import type { CpuLimits } from './cgroups.js';
import { changeSettings, wholeSettings } from './changes.js';
import { cpuPeriod, cpuQuota, cpuShares, cpuWeight } from './cpu-amounts.js';
import { type CgroupIsolatorOptions, groupOf, preparedGroup } from './isolator.js';
import { applySettings } from './settings.js';
import { noCgroup, readFiles } from './text-files.js';

const name = 'cgroups/cpu';

/**
 * `cgroups/cpu`: `requests.cpus` becomes a share of the CPUs when they are scarce (1024 a CPU on v1, 100 on v2),
 * `limits.cpus` a quota in every period of 100 ms, of 1 ms at least. Measures what is used.
 */
export function cgroupsCpu(options: CgroupIsolatorOptions): Isolator {
  const { cgroups } = options;
  return {
    name,
    async edits(context) {
      const limits = cpuLimits(context.spec.resources);
      return {
        cgroups: cgroups.folders('cpu', preparedGroup(options, context), name),
        resources: cpuResources(limits, cgroups.version),
      };
    },
    async prepare(context) {
      const path = preparedGroup(options, context);
      await cgroups.create('cpu', path, name);
      applySettings(cgroups, path, cgroups.cpu.settings(cpuLimits(context.spec.resources)), name);
    },
    async usage(id) {
      const path = groupOf(options, id);
      const files = await readFiles(cgroups, path, cgroups.cpu.usageFiles);
      if (files.size === 0) throw noCgroup(id, path);
      return { cpu: cgroups.cpu.usage(files) };
    },
    async update(id, resources, call) {
      const settings = wholeSettings(cgroups.cpu, cpuLimits(resources));
      const group = { cgroups, id, path: groupOf(options, id), isolator: name };
      await changeSettings(group, settings, cgroups.cpu, call);
    },
    cleanup: (id) => cgroups.remove('cpu', groupOf(options, id)),
    list: () => cgroups.list('cpu', options.cgroupParent),
    close: () => cgroups.removeParent('cpu', options.cgroupParent),
  };
}

function cpuLimits(resources: Resources | undefined): CpuLimits {
  const request = checked(resources?.requests?.cpus, 'spec.resources.requests.cpus');
  const limit = checked(resources?.limits?.cpus, 'spec.resources.limits.cpus');
  if (request !== undefined && limit !== undefined && request > limit) {
    throw invalidField('spec.resources.requests.cpus', `${request} is above the limit of ${limit}`);
  }
  return { ...(request === undefined ? {} : { request }), ...(limit === undefined ? {} : { limit }) };
}

function checked(cpus: number | undefined, field: string): number | undefined {
  if (cpus !== undefined && !(Number.isFinite(cpus) && cpus > 0)) {
    throw invalidField(field, `must be a number above 0, not ${cpus}`);
  }
  return cpus;
}

/** On v2 the weight is given as it is: other runtimes would make another one of OCI's v1 shares. */
function cpuResources({ request, limit }: CpuLimits, version: 'v1' | 'v2'): OciResources {
  return {
    cpu: {
      ...(request !== undefined && version === 'v1' ? { shares: cpuShares(request) } : {}),
      ...(limit === undefined ? {} : { quota: cpuQuota(limit), period: cpuPeriod }),
    },
    ...(request !== undefined && version === 'v2' ? { unified: { 'cpu.weight': String(cpuWeight(request)) } } : {}),
  };
}
