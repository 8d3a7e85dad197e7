import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isGantryError, type LaunchRequest } from '@gantry/interface';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createFile, flushFor, replaceFile } from '../src/durable-file.js';
import { adopt, createOwner, isAlive, type Owner, retireOwner } from '../src/owner.js';
import { newRecord, parseRecord, parseRequest, parseTermination } from '../src/record.js';
import { StateRoot } from '../src/state-folder.js';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'gantry-state-'));
});
afterEach(() => rm(folder, { recursive: true }));

const spec = { id: 'c1', image: 'busybox' };
const record = newRecord({ spec, bootId: 'b', createdAt: 1, stopSignal: 15 });
const request: LaunchRequest = {
  id: 'c1',
  stateDir: '/state/c1',
  config: {
    ociVersion: '1.2.0',
    process: { user: { uid: 0, gid: 0 }, args: ['true'], env: [], cwd: '/' },
    root: { path: '/root' },
    mounts: [],
    linux: { namespaces: [{ type: 'mount' }] },
  },
  rootfs: { type: 'directory', source: '/srv' },
  cgroups: [],
  cgroupVersion: 'v1',
  clampedRlimits: [],
};

async function codeOf(run: () => unknown): Promise<string> {
  try {
    await run();
  } catch (error) {
    return isGantryError(error) ? error.code : String(error);
  }
  return 'none';
}

describe('durable files', () => {
  it('replaces content, whatever another host program with the number of this one has left unfinished', async () => {
    const path = join(folder, 'f');
    for (let count = 0; count < 100; count++) await writeFile(`${path}.${process.pid}-${count}.tmp`, '');
    await replaceFile(path, 'content', flushFor(folder));
    expect(await readFile(path, 'utf8')).toBe('content');
  });

  it('replaces content and leaves no temporary file', async () => {
    const path = join(folder, 'f');
    await replaceFile(path, 'one', flushFor(folder));
    await replaceFile(path, 'two', flushFor(folder));
    expect(await readFile(path, 'utf8')).toBe('two');
    expect(await readdir(folder)).toEqual(['f']);
  });

  it('lets exactly one of many creators win', async () => {
    const path = join(folder, 'f');
    const won = await Promise.all(
      Array.from({ length: 20 }, (_, index) => createFile(path, String(index), flushFor(folder))),
    );
    expect(won.filter(Boolean)).toHaveLength(1);
    expect(await readFile(path, 'utf8')).toBe(String(won.indexOf(true)));
    expect(await readdir(folder)).toEqual(['f']);
  });
});

describe('records', () => {
  it('keeps a limit that is none', () => {
    const limits = { pids: Number.POSITIVE_INFINITY, memory: 2 ** 30 };
    const unlimited = { ...record, spec: { ...spec, resources: { limits } }, resources: { limits } };
    const { spec: read, resources } = parseRecord(JSON.stringify(unlimited), 'state.json');
    expect([read.resources, resources]).toEqual([{ limits }, { limits }]);
    expect(parseRecord(JSON.stringify(record), 'state.json')).toEqual(record);
  });

  it.each([
    ['empty', ''],
    ['torn', JSON.stringify(record).slice(0, 40)],
    ['no object', '[]'],
    ['incomplete', '{"version":1}'],
  ])('tells a record that is %s', async (_, text) => {
    expect(await codeOf(() => parseRecord(text, 'state.json'))).toBe('CORRUPT_STATE');
    expect(await codeOf(() => parseTermination(text, 'termination.json'))).toBe('CORRUPT_STATE');
    expect(await codeOf(() => parseRequest(text, 'request.json'))).toBe('CORRUPT_STATE');
  });

  it('leaves a record of another version alone', async () => {
    const text = JSON.stringify({ ...record, version: 99 });
    expect(await codeOf(() => parseRecord(text, 'state.json'))).toBe('UNSUPPORTED');
  });
});

describe('state folders', () => {
  it('are made whole, once an id', async () => {
    const root = await StateRoot.open(folder, createOwner());
    await root.create(record).durable;
    expect(await codeOf(() => root.create(record))).toBe('ALREADY_EXISTS');
    expect(await root.ids()).toEqual(['c1']);
    expect(await readdir(join(folder, 'containers'))).toEqual(['c1']);
    expect(await root.of('c1').readRecord()).toEqual(record);
    expect(await root.of('c1').hasRequest()).toBe(false);
    root.of('c1').writeRequest(request);
    expect(await root.of('c1').hasRequest()).toBe(true);
    expect(await root.of('c1').readRequest()).toEqual(request);
  });

  it('keep the first termination that was written', async () => {
    const root = await StateRoot.open(folder, createOwner());
    const state = root.create(record).folder;
    const first = { id: 'c1', destroyed: false, at: 1 };
    expect(await state.writeTermination(first)).toEqual(first);
    expect(await state.writeTermination({ id: 'c1', destroyed: true, at: 2 })).toEqual(first);
  });
});

describe('ownership', () => {
  const dead: Owner = { pid: 2 ** 22 + 1, startTime: 1, bootId: 'another boot', instance: 'dead' };

  it('stays with a living owner', async () => {
    const root = await StateRoot.open(folder, createOwner());
    const state = root.create(record).folder;
    expect((await adopt(state.path, createOwner())).instance).toBe(root.owner.instance);
  });

  it('goes to exactly one of several who find the owner dead', async () => {
    await writeFile(join(folder, 'owner.1'), JSON.stringify(dead));
    const owners = Array.from({ length: 8 }, () => createOwner());
    const seen = await Promise.all(owners.map((owner) => adopt(folder, owner)));
    expect(new Set(seen.map((owner) => owner.instance)).size).toBe(1);
  });

  it('can be taken over once the owner has retired', async () => {
    const first = createOwner();
    const second = createOwner();
    await writeFile(join(folder, 'owner.1'), JSON.stringify(first));
    expect(isAlive(first)).toBe(true);
    retireOwner(first);
    expect((await adopt(folder, second)).instance).toBe(second.instance);
  });
});
