import type { Isolator, OciResources, Resources } from '@gantry/interface';
import { invalidField } from '../errors.js';
import type { CpuLimits } from './cgroups.js';
import { changeSettings, wholeSettings } from './changes.js';
import { controllerIsolator } from './controller-isolator.js';
import { cpuBurst, cpuPeriod, cpuQuota, cpuShares, cpuWeight } from './cpu-amounts.js';
import { type CgroupIsolatorOptions, groupOf } from './isolator.js';
import { given, noCgroup, readFiles } from './text-files.js';

const name = 'cgroups/cpu';

/**
 * `cgroups/cpu`: `requests.cpus` becomes a share of the CPUs when they are scarce (1024 a CPU on v1, 100 on v2),
 * `limits.cpus` a quota in every period of 100 ms, of 1 ms at least, `limits.cpuBurst` what it may save up, and `cpuIdle` the
 * lowest share there is. Measures what is used.
 */
export function cgroupsCpu(options: CgroupIsolatorOptions): Isolator {
  const { cgroups } = options;
  return controllerIsolator(options, {
    name,
    controller: 'cpu',
    resources: ({ spec }) => cpuResources(cpuLimits(spec.resources), cgroups.versionOf('cpu')),
    settings: ({ spec }) => cgroups.cpu.settings(cpuLimits(spec.resources)),
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
  });
}

function cpuLimits(resources: Resources | undefined): CpuLimits {
  const request = checked(resources?.requests?.cpus, 'spec.resources.requests.cpus');
  const limit = checked(resources?.limits?.cpus, 'spec.resources.limits.cpus');
  const burst = resources?.limits?.cpuBurst || undefined;
  const idle = resources?.cpuIdle === true;
  if (request !== undefined && limit !== undefined && request > limit) {
    throw invalidField('spec.resources.requests.cpus', `${request} is above the limit of ${limit}`);
  }
  if (checked(burst, 'spec.resources.limits.cpuBurst') !== undefined && !(Number(burst) <= (limit ?? 0))) {
    throw invalidField(
      'spec.resources.limits.cpuBurst',
      `${burst} is above limits.cpus, ${limit ?? 'which is not given'}`,
    );
  }
  if (idle && request !== undefined) {
    throw invalidField('spec.resources.cpuIdle', 'leaves nothing to give requests.cpus from');
  }
  return given({ request, limit, burst, ...(idle ? { idle } : {}) });
}

function checked(cpus: number | undefined, field: string): number | undefined {
  if (cpus !== undefined && !(Number.isFinite(cpus) && cpus > 0)) {
    throw invalidField(field, `must be a number above 0, not ${cpus}`);
  }
  return cpus;
}

/** On v2 the weight is given as it is: other runtimes would make another one of OCI's v1 shares. */
function cpuResources({ request, limit, burst, idle }: CpuLimits, version: 'v1' | 'v2'): OciResources {
  return {
    cpu: {
      ...(request !== undefined && version === 'v1' ? { shares: cpuShares(request) } : {}),
      ...(limit === undefined ? {} : { quota: cpuQuota(limit), period: cpuPeriod }),
      ...(burst === undefined ? {} : { burst: cpuBurst(burst) }),
      ...(idle ? { idle: 1 } : {}),
    },
    ...(request !== undefined && version === 'v2' ? { unified: { 'cpu.weight': String(cpuWeight(request)) } } : {}),
  };
}
