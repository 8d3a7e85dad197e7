import type { Isolator, Resources } from '@gantry/interface';
import { refused } from '../errors.js';
import type { CgroupSetting } from './cgroups.js';
import { changeSettings } from './changes.js';
import { controllerIsolator } from './controller-isolator.js';
import { type CgroupIsolatorOptions, groupOf } from './isolator.js';
import { extended } from './optional-controller.js';
import { applySettings } from './settings.js';
import { readFiles } from './text-files.js';

const name = 'cgroups/net_prio';
const file = 'net_prio.ifpriomap';

/**
 * `cgroups/net_prio`: priorities of the packets of a container that asks for some, by the host's interfaces. Kernel documentation,
 * admin-guide/cgroup-v1/net_prio. v2 has nothing for it.
 */
export function cgroupsNetPrio(options: CgroupIsolatorOptions): Isolator {
  const { cgroups } = options;
  return controllerIsolator(options, {
    name,
    controller: 'net_prio',
    async resources({ spec }, path) {
      const asked = prioritiesOf(spec.resources);
      if (asked.length === 0) return undefined;
      // Says so itself if there is none to look at.
      cgroups.folders('net_prio', path, name);
      await checkInterfaces(options, asked);
      return { network: { priorities: asked.map(([interfaceName, priority]) => ({ name: interfaceName, priority })) } };
    },
    limit(path, { spec }) {
      applySettings(cgroups, path, prioritiesOf(spec.resources).map(prioritySetting), name);
    },
    async update(id, resources, call) {
      const asked = prioritiesOf(resources);
      if (!(await extended(options, 'net_prio', id, name, 'resources.network.priorities', asked.length > 0))) return;
      const known = await checkInterfaces(options, asked);
      const path = groupOf(options, id);
      const wanted = new Map([...[...known].map((key) => [key, 0] as const), ...asked]);
      await changeSettings({ cgroups, id, path, isolator: name }, [...wanted].map(prioritySetting), {}, call);
    },
  });
}

function prioritiesOf(resources: Resources | undefined): [string, number][] {
  return Object.entries(resources?.network?.priorities ?? {});
}

function prioritySetting([key, priority]: readonly [string, number]): CgroupSetting {
  const value = `${key} ${priority}`;
  return { file, value, list: { key, line: value, clear: `${key} 0` } };
}

/** The interfaces that the kernel knows of. `REFUSED` if others are asked for. */
async function checkInterfaces(
  { cgroups }: CgroupIsolatorOptions,
  asked: readonly (readonly [string, number])[],
): Promise<ReadonlySet<string>> {
  const text = (await readFiles(cgroups, '/', [file])).get(file) ?? '';
  const known = new Set(text.split('\n').flatMap((line) => line.split(' ', 1)[0] || []));
  const unknown = asked.find(([key]) => !known.has(key));
  if (unknown) {
    throw refused(name, `the host has no network interface ${unknown[0]}`, `use one of ${[...known].join(', ')}`, {
      details: { field: `spec.resources.network.priorities.${unknown[0]}` },
    });
  }
  return known;
}
