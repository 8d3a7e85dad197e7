import { posix } from 'node:path';
import type { Isolator, OciResources, Resources } from '@gantry/interface';
import { refused } from '../errors.js';
import type { CgroupSetting } from './cgroups.js';
import { changeSettings } from './changes.js';
import { controllerIsolator } from './controller-isolator.js';
import { formatCpuList, parseCpuList } from './cpu-list.js';
import { type CgroupIsolatorOptions, groupOf } from './isolator.js';
import { extended } from './optional-controller.js';
import { readFiles } from './text-files.js';

const name = 'cgroups/cpuset';
const kinds = ['cpus', 'mems'] as const;
type Kind = (typeof kinds)[number];
type Lists = { readonly [K in Kind]?: string };

/**
 * `cgroups/cpuset`: the CPUs and memory nodes of `resources.cpuset`, which must be among those that the group above has; the
 * kernel would quietly give fewer. Only a container that asks for them has a group for it.
 */
export function cgroupsCpuset(options: CgroupIsolatorOptions): Isolator {
  const { cgroups, cgroupParent } = options;
  return controllerIsolator(options, {
    name,
    controller: 'cpuset',
    async resources({ spec }, path): Promise<OciResources | undefined> {
      const lists = listsOf(spec.resources);
      if (lists === undefined) return undefined;
      // Says so itself if there is none to look at.
      cgroups.folders('cpuset', path, name);
      await checkAvailable(options, path, lists);
      return { cpu: lists };
    },
    settings: ({ spec }) => settingsOf(listsOf(spec.resources) ?? {}),
    async update(id, resources, call) {
      const path = groupOf(options, id);
      const lists = listsOf(resources) ?? {};
      if (!(await extended(options, 'cpuset', id, name, 'resources.cpuset', Object.keys(lists).length > 0))) return;
      await checkAvailable(options, path, lists);
      const settings = settingsOf({ ...(await inherited(options, cgroupParent, path)), ...lists });
      // A group of v2 that holds no lists, and is asked for none, is as it should be.
      if (settings.length === 0) return;
      await changeSettings({ cgroups, id, path, isolator: name }, settings, {}, call);
    },
  });
}

function listsOf(resources: Resources | undefined): Lists | undefined {
  const given = kinds.flatMap((kind) => {
    const text = resources?.cpuset?.[kind];
    return text === undefined ? [] : [[kind, formatCpuList(parseCpuList(text, `spec.resources.cpuset.${kind}`))]];
  });
  return given.length === 0 ? undefined : (Object.fromEntries(given) as Lists);
}

const settingsOf = (lists: Lists): CgroupSetting[] =>
  kinds.flatMap((kind) => {
    const value = lists[kind];
    return value === undefined ? [] : [{ file: `cpuset.${kind}`, value }];
  });

/**
 * What a group in use goes back to: what its parent has. One of v2 that has nothing of its own is left so; but once it has, and
 * processes are in it, the kernel takes no empty list any more.
 */
async function inherited({ cgroups }: CgroupIsolatorOptions, parent: string, path: string): Promise<Lists> {
  const suffix = cgroups.versionOf('cpuset') === 'v2' ? '.effective' : '';
  const above = await readFiles(cgroups, parent, [`cpuset.cpus${suffix}`, `cpuset.mems${suffix}`]);
  const held = await readFiles(cgroups, path, ['cpuset.cpus', 'cpuset.mems']);
  const wanted = kinds.filter((kind) => held.get(`cpuset.${kind}`)?.trim() !== '');
  return Object.fromEntries(wanted.map((kind) => [kind, above.get(`cpuset.${kind}${suffix}`)?.trim() ?? '']));
}

/** By the nearest group above that there is, which will be the parent's measure too once that is made. */
async function checkAvailable({ cgroups }: CgroupIsolatorOptions, path: string, lists: Lists): Promise<void> {
  for (const kind of kinds) {
    const asked = lists[kind];
    if (asked === undefined) continue;
    const there = await effective(cgroups, posix.dirname(path), kind);
    if (there === undefined) continue;
    const available = parseCpuList(there, `cpuset.${kind}`);
    const lacking = [...parseCpuList(asked, `spec.resources.cpuset.${kind}`)].filter(
      (number) => !available.has(number),
    );
    if (lacking.length > 0) {
      throw refused(
        name,
        `${kind} ${formatCpuList(new Set(lacking))} are not among those that containers may use here, ${there}`,
        `ask for some of those, or give the group above ${posix.dirname(path)} more`,
        { details: { field: `spec.resources.cpuset.${kind}` } },
      );
    }
  }
}

async function effective(
  cgroups: CgroupIsolatorOptions['cgroups'],
  path: string,
  kind: Kind,
): Promise<string | undefined> {
  const names = cgroups.versionOf('cpuset') === 'v1' ? [`cpuset.effective_${kind}`] : [`cpuset.${kind}.effective`];
  for (let above = path; ; above = posix.dirname(above)) {
    const text = [...(await readFiles(cgroups, above, names)).values()][0]?.trim();
    // A group of v1 that was just made has none yet.
    if (text) return text;
    if (above === '/') return undefined;
  }
}
