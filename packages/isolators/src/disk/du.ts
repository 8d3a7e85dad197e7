import type { ContainerId, Isolator, Limitation } from '@gantry/interface';
import { refused } from '../errors.js';
import { measure, measureUntil } from './measuring.js';
import { type DiskOptions, defaultIntervalMs } from './options.js';
import { type DiskRecord, diskRecords, recordBy } from './record.js';
import { diskLimit, planDisk } from './writable-layer.js';

const name = 'disk/du';

/**
 * `disk/du`: measures the writable layer of a container whose `limits.disk` no quota holds, and ends a container that is
 * over it, or only reports that. Between two measurements a container may write as much as there is.
 */
export function diskDu(options: DiskOptions): Isolator {
  const records = diskRecords(options.stateFolder);
  const readings = new Map<ContainerId, { readonly at: number; readonly used: number }>();
  const interval = options.intervalMs ?? defaultIntervalMs;

  async function usedBy(id: ContainerId, { folders }: DiskRecord): Promise<number> {
    const reading = readings.get(id);
    if (reading && performance.now() - reading.at < interval) return reading.used;
    const used = (await measure(folders)) ?? 0;
    readings.set(id, { at: performance.now(), used });
    return used;
  }

  return {
    name,
    after: ['filesystem/*'],
    async edits(context) {
      if (options.enforce !== 'quota') planDisk(context, options, name);
      return {};
    },
    prepares: ({ spec }) => (spec.resources?.limits?.disk === undefined ? 'nothing' : 'anything'),
    async prepare(context) {
      const plan = options.enforce === 'quota' ? undefined : planDisk(context, options, name);
      if (plan?.by === 'polling') records.write(context.id, plan);
    },
    async usage(id) {
      const record = recordBy(records, id, 'polling');
      if (!record) return {};
      const used = await usedBy(id, record);
      return { disk: { used, ...(record.limit === undefined ? {} : { limit: record.limit }) } };
    },
    async update(id, resources) {
      const limit = diskLimit(resources, name);
      const held = records.read(id);
      if (!held && limit !== undefined) {
        throw refused(name, `container ${id} was launched without limits.disk`, 'launch it with one, however high');
      }
      const record = recordBy(records, id, 'polling');
      if (!record) return;
      const used = limit === undefined ? 0 : ((await measure(record.folders)) ?? 0);
      if (limit !== undefined && used > limit) {
        throw refused(name, `container ${id} has written ${used} bytes`, 'remove some, or give it a higher limit');
      }
      const { limit: _, ...rest } = record;
      records.write(id, limit === undefined ? rest : { ...rest, limit });
    },
    async watch(id, { signal }) {
      const record = recordBy(records, id, 'polling');
      if (!record) return undefined;
      const ends = (options.onLimit ?? 'end') === 'end';
      return measureUntil(
        record.folders,
        interval,
        (used) => {
          readings.set(id, { at: performance.now(), used });
          return ends ? limitationOf(recordBy(records, id, 'polling'), used) : undefined;
        },
        signal,
      );
    },
    async limitation(id) {
      const record = recordBy(records, id, 'polling');
      return record && limitationOf(record, (await measure(record.folders)) ?? 0);
    },
    async cleanup(id) {
      readings.delete(id);
      // What cannot be read is a quota's to clean up: it may have more than the record.
      if (recordBy(records, id, 'polling')) records.remove(id);
    },
    async *list() {
      yield* records.ids().filter((id) => recordBy(records, id, 'polling'));
    },
  };
}

function limitationOf(record: DiskRecord | undefined, used: number): Limitation | undefined {
  const limit = record?.limit;
  if (limit === undefined || used <= limit) return undefined;
  return {
    isolator: name,
    resource: 'disk',
    message: `the container had written ${used} bytes to its disk, of which it may use ${limit}`,
    statistics: { used, limit },
  };
}
