import { existsSync } from 'node:fs';
import { type Isolator, type Limitation, toGantryError } from '@gantry/interface';
import { addon } from '@gantry/native';
import { refused } from '../errors.js';
import { hasEscaped } from './escape.js';
import { measureUntil } from './measuring.js';
import { type DiskOptions, defaultIntervalMs } from './options.js';
import { Projects } from './projects.js';
import { diskRecords, recordBy } from './record.js';
import { diskLimit, planDisk } from './writable-layer.js';

const name = 'disk/xfs';

/** A write that fails leaves less than a block free. */
const block = 4096;

/**
 * `disk/xfs`: makes the writable layer of a container with `limits.disk` a project of its XFS or ext4 file system, which then
 * refuses, with ENOSPC or EDQUOT, what is over the limit.
 *
 * Who owns a file may take it out of its project, where the container has no user namespace of its own. So the layer is
 * measured, too, and a container that has got past its limit in that way is ended.
 */
export function diskXfs(options: DiskOptions): Isolator {
  const records = diskRecords(options.stateFolder);
  const projects = new Projects(options);

  return {
    name,
    after: ['filesystem/*'],
    async edits(context) {
      if (options.enforce !== 'polling') planDisk(context, options, name);
      return {};
    },
    prepares: ({ spec }) => (spec.resources?.limits?.disk === undefined ? 'nothing' : 'anything'),
    async prepare(context) {
      const plan = options.enforce === 'polling' ? undefined : planDisk(context, options, name);
      if (plan?.by !== 'quota') return;
      records.write(context.id, plan);
      const project = projects.take(context.id, plan.anchor, name, {
        count: plan.folders.length,
        putInto(one) {
          for (const folder of plan.folders) putInto(folder, one);
        },
      });
      records.write(context.id, { ...plan, project });
      limitTo(plan.anchor, project, plan.limit);
    },
    async usage(id) {
      const record = recordBy(records, id, 'quota');
      if (record?.project === undefined) return {};
      const { used, limit } = addon().projectQuota(record.anchor, record.project);
      return { disk: { used, ...(limit === 0 ? {} : { limit }) } };
    },
    async update(id, resources) {
      const record = recordBy(records, id, 'quota');
      if (record?.project === undefined) return;
      const limit = diskLimit(resources, name);
      limitTo(record.anchor, record.project, limit);
      const { limit: _, ...rest } = record;
      records.write(id, limit === undefined ? rest : { ...rest, limit });
    },
    async watch(id, { signal }) {
      const record = recordBy(records, id, 'quota');
      if (!record) return undefined;
      const interval = options.intervalMs ?? defaultIntervalMs;
      let charged = 0;
      const over = (used: number) => {
        const { anchor, project, limit } = recordBy(records, id, 'quota') ?? {};
        if (anchor === undefined || project === undefined) return undefined;
        // The files that were measured were there at one of the two times, or at both.
        const before = charged;
        charged = addon().projectQuota(anchor, project).used;
        if (limit === undefined || !hasEscaped({ used, charged: Math.max(before, charged), limit })) return undefined;
        const message = `the container took files out of its quota: it has written ${used} bytes, of which it may use ${limit}`;
        return limitationOf(used, limit, message);
      };
      return measureUntil(record.folders, interval, over, signal);
    },
    async limitation(id) {
      const { anchor, project } = recordBy(records, id, 'quota') ?? {};
      if (anchor === undefined || project === undefined) return undefined;
      const { used, limit } = addon().projectQuota(anchor, project);
      if (limit === 0 || used <= limit - block) return undefined;
      return limitationOf(used, limit, `the container had used up its disk: ${used} of ${limit} bytes`);
    },
    async cleanup(id) {
      const held = records.read(id);
      if (!held || held.by === 'polling') return;
      const { anchor, project } = held;
      // Of one that is in no record it was not yet known whether it is the container's alone, and so no limit set.
      if (project !== undefined && anchor !== undefined && existsSync(anchor)) limitTo(anchor, project, undefined);
      for (const one of project === undefined ? projects.of(id) : [project]) projects.release(one);
      records.remove(id);
    },
    async *list() {
      yield* records.ids().filter((id) => records.read(id)?.by !== 'polling');
    },
  };

  /** The folder must be as good as empty: what is in it already stays outside. */
  function putInto(folder: string, project: number): void {
    try {
      addon().setProject(folder, project);
    } catch (cause) {
      const { message } = toGantryError(cause, `putting ${folder} into project ${project}`);
      throw refused(name, message, 'run the host program as root of the initial user namespace', { cause });
    }
    const now = addon().projectOf(folder);
    if (now.id !== project || !now.inherited) {
      throw refused(name, `${folder} is not in project ${project} although it was put there`, 'see the kernel log');
    }
  }
}

function limitTo(anchor: string, project: number, limit: number | undefined): void {
  addon().setProjectQuota(anchor, project, limit ?? 0);
  const now = addon().projectQuota(anchor, project).limit;
  if (now !== (limit ?? 0)) {
    throw refused(
      name,
      `the limit of project ${project} is ${now} bytes, not ${limit ?? 0} as set`,
      'use another limit',
      {
        details: { path: anchor, limit: now },
      },
    );
  }
}

function limitationOf(used: number, limit: number, message: string): Limitation {
  return { isolator: name, resource: 'disk', message, statistics: { used, limit } };
}
