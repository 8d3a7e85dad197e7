import type { Limitation } from '@gantry/interface';
import { describe, expect, it } from 'vitest';
import { Container } from '../src/container.js';
import { type ContainerRecord, newRecord } from '../src/record.js';
import type { StateFolder } from '../src/state-folder.js';

const spec = { id: 'c1', image: 'busybox' };

/** A container whose record is written slowly: what is written first is there last. */
function containerOf(written: ContainerRecord[], fails: (record: ContainerRecord) => boolean = () => false) {
  let slowness = 3;
  const container = new Container(
    spec,
    'RUNNING',
    () => undefined,
    newRecord({ spec, bootId: 'b', createdAt: 1, stopSignal: 15 }),
  );
  container.folder = {
    async writeRecord(record: ContainerRecord) {
      for (let turn = slowness--; turn > 0; turn--) await new Promise((resolve) => setImmediate(resolve));
      if (fails(record)) throw new Error('no space');
      written.push(record);
    },
  } as unknown as StateFolder;
  return container;
}

describe('the record of a container', () => {
  it('has all of several changes that are asked for at once', async () => {
    const written: ContainerRecord[] = [];
    const container = containerOf(written);
    const limitation: Limitation = { isolator: 'cgroups/mem', resource: 'memory', message: 'out of memory' };
    const changes: Partial<ContainerRecord>[] = [
      { paused: true },
      { resources: { limits: { pids: 5 } } },
      { limitation },
    ];
    await Promise.all(changes.map((change) => container.amend(change)));
    expect(written.at(-1)).toMatchObject(Object.assign({}, ...changes));
    expect(container.record).toEqual(written.at(-1));
  });

  it('is as it was where a change could not be written, and takes the next', async () => {
    const written: ContainerRecord[] = [];
    const container = containerOf(written, ({ paused }) => paused === true);
    const both = [container.amend({ paused: true }), container.amend({ resources: {} })];
    await expect(both[0]).rejects.toThrow('no space');
    await both[1];
    expect(container.record?.paused).toBeUndefined();
    expect(written).toMatchObject([{ resources: {} }]);
  });
});
