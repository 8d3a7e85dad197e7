import { mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import type { ContainerSpec, Resources } from '@gantry/interface';
import { isGantryError } from '@gantry/interface';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { chooseGpus } from '../src/gpu/nvidia/choice.js';
import { type Gpu, inventoryOf, overlap } from '../src/gpu/nvidia/inventory.js';
import { nvidiaNodes } from '../src/gpu/nvidia/nodes.js';
import { type CdiSpec, gpuNvidia, parseCdiSpec, probeDevices } from '../src/index.js';
import { contextOf } from './context.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gantry-gpu-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const control = { missing: () => undefined, restrict: () => undefined };
const none = { folders: [] as string[] };
const file = (path: string, text = '') => {
  mkdirSync(dirname(join(folder, path)), { recursive: true });
  writeFileSync(join(folder, path), text);
};
/** The whole of /dev/zero, under a name of the driver's. */
const node = (path: string) => ({
  path: `/dev/${path}`,
  hostPath: '/dev/zero',
  type: 'c' as const,
  major: 195,
  minor: 0,
});
const gpu = (name: string, ...paths: string[]) => ({ name, containerEdits: { deviceNodes: paths.map(node) } });

/** Two whole GPUs, and one in two parts, with names as NVIDIA's tool gives them. */
const described: CdiSpec = {
  cdiVersion: '0.5.0',
  kind: 'nvidia.com/gpu',
  containerEdits: { env: ['NVIDIA_VISIBLE_DEVICES=void'], deviceNodes: [node('nvidiactl')] },
  devices: [
    gpu('1', 'nvidia1'),
    gpu('0', 'nvidia0'),
    gpu('GPU-aaaa', 'nvidia0'),
    gpu('GPU-bbbb', 'nvidia1'),
    gpu('2:0', 'nvidia2', 'nvidia-caps/nvidia-cap3', 'nvidia-caps/nvidia-cap4'),
    gpu('MIG-cccc', 'nvidia2', 'nvidia-caps/nvidia-cap4', 'nvidia-caps/nvidia-cap3'),
    gpu('2:1', 'nvidia2', 'nvidia-caps/nvidia-cap5', 'nvidia-caps/nvidia-cap6'),
    gpu('all', 'nvidia0', 'nvidia1', 'nvidia2'),
    { name: 'none', containerEdits: { env: ['A=b'] } },
  ],
};
const sourcesOf = (...specs: CdiSpec[]) => {
  return { sources: specs.map((spec, index) => ({ file: `${index}.json`, priority: 0, spec })), faults: [] };
};
const inventory = inventoryOf(sourcesOf(described));
const refusal = (details: object, message?: RegExp) =>
  expect.objectContaining({
    code: 'REFUSED',
    details: expect.objectContaining(details) as object,
    ...(message ? { message: expect.stringMatching(message) as string } : {}),
  }) as Error;

describe('the GPUs of CDI specifications', () => {
  it('are each one, whatever names it has, in the order of their nodes', () => {
    expect(inventory.map(({ name, names, board, part }) => [name, names, board, part])).toEqual([
      ['GPU-aaaa', ['0', 'GPU-aaaa'], 'nvidia0', undefined],
      ['GPU-bbbb', ['1', 'GPU-bbbb'], 'nvidia1', undefined],
      ['2:1', ['2:1'], 'nvidia2', 'nvidia-cap5+nvidia-cap6'],
      ['MIG-cccc', ['2:0', 'MIG-cccc'], 'nvidia2', 'nvidia-cap3+nvidia-cap4'],
    ]);
  });

  it('are none of another kind, and none that two files contradict each other about', () => {
    const other = { ...described, kind: 'vendor.com/gpu' };
    expect(inventoryOf(sourcesOf(other))).toEqual([]);
    const again = { ...described, devices: [gpu('0', 'nvidia5')] };
    expect(inventoryOf(sourcesOf(described, again))[0]?.names).toEqual(['GPU-aaaa']);
  });

  it('cannot be had by two if they are the same, or one is a part of the other', () => {
    const [whole, , one, two] = inventory as [Gpu, Gpu, Gpu, Gpu];
    expect(overlap(whole, whole)).toBe(true);
    expect(overlap(one, two)).toBe(false);
    expect(overlap(one, one)).toBe(true);
    expect(overlap(one, { name: 'x', board: 'nvidia2' })).toBe(true);
    expect(overlap({ name: 'x', board: 'nvidia2' }, one)).toBe(true);
    expect(overlap(whole, one)).toBe(false);
  });
});

describe('the GPUs whose nodes the driver shows', () => {
  const places = () => ({ devices: join(folder, 'dev'), driver: join(folder, 'proc') });

  it('are none where there is no node, nor driver', async () => {
    expect(await nvidiaNodes(places())).toBeUndefined();
    for (const name of ['nvidiactl', 'nvidia-uvm', 'nvidia', 'nvidia0x']) file(`dev/${name}`);
    expect(await nvidiaNodes(places())).toBeUndefined();
  });

  it('have their numbers as names, and their UUIDs where the driver tells them', async () => {
    for (const name of ['nvidia0', 'nvidia10', 'nvidia2', 'nvidiactl', 'nvidia-uvm', 'null']) file(`dev/${name}`);
    const information = (minor: number, uuid: string) =>
      `Model: \t\t NVIDIA H200\nIRQ:   \t\t 65\nGPU UUID: \t ${uuid}\nBus Location: \t 0000:01:00.0\nDevice Minor: \t ${minor}\n`;
    file('proc/gpus/0000:01:00.0/information', information(10, 'GPU-12ab-34'));
    file('proc/gpus/0000:02:00.0/information', information(0, 'GPU-????????'));
    file('proc/gpus/0000:03:00.0/other');
    const spec = await nvidiaNodes(places());
    expect(parseCdiSpec(spec, 'found')).toEqual(spec);
    expect(spec?.devices.map(({ name }) => name)).toEqual(['0', '2', '10', 'GPU-12ab-34']);
    const nodesOf = (edits = spec?.containerEdits) => edits?.deviceNodes?.map(({ path, hostPath }) => [path, hostPath]);
    expect(nodesOf()).toEqual([
      ['/dev/nvidiactl', join(folder, 'dev/nvidiactl')],
      ['/dev/nvidia-uvm', join(folder, 'dev/nvidia-uvm')],
    ]);
    expect(nodesOf(spec?.devices[3]?.containerEdits)).toEqual([['/dev/nvidia10', join(folder, 'dev/nvidia10')]]);
  });

  it('have parts by their instances, each with what leads to it', async () => {
    for (const name of ['nvidia0', 'nvidia1']) file(`dev/${name}`);
    const access = (path: string, minor: number) =>
      file(`proc/capabilities/gpu1/mig/${path}/access`, `DeviceFileMinor: ${minor}\nDeviceFileMode: 292\n`);
    access('gi2', 12);
    access('gi2/ci0', 13);
    access('gi2/ci1', 14);
    access('gi9', 75);
    file('proc/capabilities/gpu1/mig/gi9/ci0/access', 'nothing');
    const spec = (await nvidiaNodes(places())) as CdiSpec;
    const found = inventoryOf(sourcesOf(spec));
    expect(found.map(({ names, part }) => [names, part])).toEqual([
      [['0'], undefined],
      [['1'], undefined],
      [['1:2:0'], 'nvidia-cap12+nvidia-cap13'],
      [['1:2:1'], 'nvidia-cap12+nvidia-cap14'],
    ]);
    expect(chooseGpus('x', 1, found, []).map(({ name }) => name)).toEqual(['0']);
    expect(() => chooseGpus('x', 2, found, [])).toThrow(refusal({ total: 1 }));
  });
});

describe('which GPUs a container gets', () => {
  const choose = (
    wanted: number | readonly string[],
    taken: readonly { name: string; board: string; part?: string; container: string }[] = [],
  ) => chooseGpus('gpu/nvidia', wanted, inventory, taken).map(({ name }) => name);
  const held = (index: number, container: string) => ({ ...(inventory[index] as Gpu), container });

  it('are whole ones that are free, if a number is asked for', () => {
    expect(choose(1)).toEqual(['GPU-aaaa']);
    expect(choose(2)).toEqual(['GPU-aaaa', 'GPU-bbbb']);
    expect(choose(1, [held(0, 'a')])).toEqual(['GPU-bbbb']);
  });

  it('are refused if too few are free, with who has the others', () => {
    expect(() => choose(3)).toThrow(
      refusal({ isolator: 'gpu/nvidia', wanted: 3, free: 2, total: 2 }, /2 of 2 whole GPUs are free; ask for fewer/),
    );
    expect(() => choose(2, [held(0, 'a')])).toThrow(
      refusal({ free: 1, total: 2 }, /1 of 2 whole GPUs is free, beside what a has; destroy/),
    );
    expect(() => chooseGpus('gpu/nvidia', 1, [], [])).toThrow(refusal({ free: 0, total: 0 }));
  });

  it('are those of the names, whole or parts', () => {
    expect(choose(['GPU-bbbb', '2:0'])).toEqual(['GPU-bbbb', 'MIG-cccc']);
    expect(choose(['1', '2:1'], [held(0, 'a'), held(3, 'b')])).toEqual(['GPU-bbbb', '2:1']);
  });

  it('are refused by name if there is none, or somebody has it', () => {
    expect(() => choose(['all'])).toThrow(
      refusal({ field: 'spec.resources.gpus[0]', gpu: 'all' }, /those that there are: 0, GPU-aaaa, 1/),
    );
    expect(() => choose(['0', 'MIG-cccc'], [held(3, 'b')])).toThrow(
      refusal({ field: 'spec.resources.gpus[1]', container: 'b' }, /container b has MIG-cccc; destroy/),
    );
    expect(() => choose(['2:0'], [{ name: 'GPU-whole', board: 'nvidia2', container: 'c' }])).toThrow(
      refusal({ container: 'c' }, /container c has 2:0 with GPU-whole/),
    );
    expect(() => choose(['0', 'GPU-aaaa'])).toThrow(
      expect.objectContaining({ code: 'INVALID_ARGUMENT', details: { field: 'spec.resources.gpus[1]' } }),
    );
  });

  it('never are two containers’, whatever is asked for in whatever order', () => {
    const names = inventory.flatMap((each) => each.names);
    const wish = fc.oneof(
      fc.integer({ min: 1, max: 3 }),
      fc.uniqueArray(fc.constantFrom(...names), { minLength: 1, maxLength: 3 }),
    );
    const step = fc.oneof(fc.record({ ask: wish }), fc.record({ end: fc.nat(9) }));
    fc.assert(
      fc.property(fc.array(step, { maxLength: 20 }), (steps) => {
        let taken: { name: string; board: string; part?: string; container: string }[] = [];
        steps.forEach((each, index) => {
          if ('end' in each) taken = taken.filter(({ container }) => container !== `${each.end}`);
          else {
            try {
              const got = chooseGpus('x', each.ask, inventory, taken);
              expect(got).toHaveLength(typeof each.ask === 'number' ? each.ask : each.ask.length);
              taken.push(...got.map((one) => ({ ...one, container: `${index}` })));
            } catch (error) {
              if (!isGantryError(error, 'REFUSED') && !isGantryError(error, 'INVALID_ARGUMENT')) throw error;
            }
          }
          const clash = taken.some((a, at) => taken.slice(at + 1).some((b) => overlap(a, b)));
          expect(clash).toBe(false);
        });
      }),
    );
  });
});

describe('gpu/nvidia', () => {
  const made = (place = 'default') =>
    gpuNvidia({ cdi: { ...none, specs: [described] }, folders: { root: folder, place }, control });
  type Made = ReturnType<typeof made>;
  /** As another host program has it. */
  const stranger = async (place = 'default') => {
    vi.resetModules();
    const module = await import('../src/gpu/nvidia/nvidia.js');
    return module.gpuNvidia({ cdi: { ...none, specs: [described] }, folders: { root: folder, place }, control });
  };
  const context = (id: string, gpus: Resources['gpus'], spec: ContainerSpec = {}) => {
    return contextOf({ ...spec, ...(gpus === undefined ? {} : { resources: { gpus } }) }, { id });
  };
  const launch = async (isolator: Made, id: string, gpus: Resources['gpus']) => {
    const asked = context(id, gpus);
    await using _ = await isolator.reserve?.(asked);
    const edits = await isolator.edits(asked);
    await isolator.prepare?.(asked);
    return edits;
  };
  const gpusOf = async (isolator: Made, id: string) => (await isolator.status?.(id))?.gpus;
  const listed = async (isolator: Made) => {
    const ids: string[] = [];
    for await (const id of isolator.list?.() ?? []) ids.push(id);
    return ids;
  };
  /** Whatever is kept, as paths below the folder of this boot. */
  const kept = () =>
    readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => relative(boot(), join(entry.parentPath, entry.name)))
      .sort();
  const boot = () => join(folder, 'gpus', readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim());

  it('has nothing to do with containers that ask for none', async () => {
    for (const gpus of [undefined, 0, []]) expect(await launch(made(), 'a', gpus)).toEqual({});
    await made().cleanup?.('a');
    await made().recover?.();
    expect(kept()).toEqual([]);
  });

  it('gives what the specification says of those that were chosen', async () => {
    const isolator = made();
    const { env, devices } = await launch(isolator, 'a', ['MIG-cccc']);
    expect(env).toEqual({ NVIDIA_VISIBLE_DEVICES: 'void' });
    expect(devices?.map(({ path }) => path)).toEqual([
      '/dev/nvidiactl',
      '/dev/nvidia2',
      '/dev/nvidia-caps/nvidia-cap3',
      '/dev/nvidia-caps/nvidia-cap4',
    ]);
    expect(await gpusOf(isolator, 'a')).toEqual(['MIG-cccc']);
  });

  it('plans with what would be given, and takes nothing', async () => {
    const isolator = made();
    for (const _ of [1, 2]) expect((await isolator.edits(context('a', 2))).devices).toHaveLength(3);
    expect(kept()).toEqual([]);
    await launch(isolator, 'b', 1);
    await expect(isolator.edits(context('a', 2))).rejects.toEqual(refusal({ free: 1 }));
    expect(await listed(isolator)).toEqual(['b']);
  });

  it('gives each to one container, however many are launched at once by however many host programs', async () => {
    const isolators = [made(), await stranger(), await stranger('other'), await stranger('third')];
    const all = isolators.flatMap((isolator, at) =>
      ['a', 'b', 'c'].map(async (id) => {
        await launch(isolator, `${id}${at}`, 1);
        return gpusOf(isolator, `${id}${at}`);
      }),
    );
    const done = await Promise.allSettled(all);
    const got = done.flatMap((each) => (each.status === 'fulfilled' ? (each.value ?? []) : []));
    expect(got.sort()).toEqual(['GPU-aaaa', 'GPU-bbbb']);
    const failed = done.flatMap((each) => (each.status === 'rejected' ? [each.reason as Error] : []));
    expect(failed).toHaveLength(10);
    for (const error of failed) expect(error).toEqual(refusal({ isolator: 'gpu/nvidia', wanted: 1 }));
  });

  it('lets go of them with the clean-up, by whichever host program, and keeps nothing', async () => {
    await launch(made(), 'a', 2);
    const next = await stranger();
    expect(await listed(next)).toEqual(['a']);
    expect(await gpusOf(next, 'a')).toEqual(['GPU-aaaa', 'GPU-bbbb']);
    for (const _ of [1, 2]) await next.cleanup?.('a');
    expect(await listed(next)).toEqual([]);
    expect(kept()).toEqual([]);
    await launch(next, 'b', 2);
  });

  it('keeps those of another state root, whose ids may be the same, and does not list them', async () => {
    const [mine, other] = [made('mine'), made('other')];
    await launch(mine, 'a', 1);
    await launch(other, 'a', 1);
    await mine.cleanup?.('a');
    expect([await listed(mine), await listed(other)]).toEqual([[], ['a']]);
    expect(await gpusOf(other, 'a')).toEqual(['GPU-bbbb']);
  });

  it('lets go of what a launch had reserved that fails, and of nothing else', async () => {
    const isolator = made();
    await launch(isolator, 'a', 1);
    // A second one of the same id, as another host program may try.
    const asked = context('a', 1);
    const taken = await isolator.reserve?.(asked);
    await expect(isolator.reserve?.(context('b', 1))).rejects.toEqual(refusal({ free: 0 }));
    expect(await listed(isolator)).toEqual(['a']);
    await taken?.[Symbol.asyncDispose]();
    expect(await gpusOf(isolator, 'a')).toEqual(['GPU-aaaa']);
    expect(kept()).toEqual(['claims/default/a']);
    await launch(isolator, 'b', 1);
  });

  it('lets no clean-up nor recovery of others have what a living host program has reserved', async () => {
    const taken = await made().reserve?.(context('a', 2));
    const next = await stranger();
    expect([await listed(next), await gpusOf(next, 'a')]).toEqual([[], undefined]);
    await next.cleanup?.('a');
    await next.recover?.();
    await expect(next.reserve?.(context('b', 1))).rejects.toEqual(refusal({ free: 0 }));
    await taken?.[Symbol.asyncDispose]();
  });

  it('reserves nothing where that cannot be written down', async () => {
    mkdirSync(boot(), { recursive: true });
    writeFileSync(join(boot(), 'reservations'), '');
    await expect(made().reserve?.(context('a', 1))).rejects.toMatchObject({ code: 'SYSTEM' });
    expect(kept()).toEqual(['reservations']);
  });

  it('takes a reservation whose host program died for none', async () => {
    const taken = await made().reserve?.(context('a', 2));
    const [path = ''] = kept();
    const reservation = readFileSync(join(boot(), path), 'utf8');
    await taken?.[Symbol.asyncDispose]();
    // As it is left: nobody has locked it. The other was not even written.
    for (const left of [path, 'reservations/.other']) writeFileSync(join(boot(), left), reservation);
    const isolator = made();
    expect((await isolator.edits(context('b', 2))).devices).toHaveLength(3);
    await isolator.recover?.();
    expect(kept()).toEqual([]);
    await launch(isolator, 'b', 2);
  });

  it('takes what was claimed before the machine was started for nobody’s', async () => {
    await launch(made(), 'a', 2);
    renameSync(boot(), join(folder, 'gpus/before'));
    const isolator = made();
    expect([await listed(isolator), await gpusOf(isolator, 'a')]).toEqual([[], undefined]);
    await launch(isolator, 'b', 2);
    await isolator.cleanup?.('b');
    expect(kept()).toEqual([]);
  });

  it.each([
    ['torn', '{'],
    ['of no claim', '{"container":"a","wanted":1,"gpus":[{"name":"GPU-aaaa"}]}'],
  ])('gives nothing while it cannot know who has what, and cleans up all the same: %s', async (_, text) => {
    await launch(made(), 'a', 1);
    const path = join(boot(), 'claims/default/a');
    writeFileSync(path, text);
    const isolator = made();
    const corrupt = { code: 'CORRUPT_STATE', details: { path, container: 'a' } };
    await expect(launch(isolator, 'b', 1)).rejects.toMatchObject(corrupt);
    await expect(gpusOf(isolator, 'a')).rejects.toMatchObject(corrupt);
    await isolator.recover?.();
    await isolator.cleanup?.('b');
    expect(readFileSync(path, 'utf8')).toBe(text);
    expect(kept()).toEqual(['claims/default/a']);
    expect(await listed(isolator)).toEqual(['a']);
    await isolator.cleanup?.('a');
    await launch(isolator, 'b', 2);
  });

  it('never puts what another launch reserved in place of what a container of the same name has', async () => {
    const isolator = made();
    await launch(isolator, 'a', 1);
    await expect(launch(await stranger(), 'a', 1)).rejects.toMatchObject({ code: 'WRONG_STATE', details: { id: 'a' } });
    expect(await gpusOf(isolator, 'a')).toEqual(['GPU-aaaa']);
    expect(kept()).toEqual(['claims/default/a']);
  });

  it('refuses another number for a container that runs, and takes the same', async () => {
    const isolator = made();
    await launch(isolator, 'a', 2);
    await isolator.update?.('a', { gpus: 2 });
    await isolator.update?.('unknown', { gpus: 0 });
    for (const resources of [{}, { gpus: 1 }, { gpus: ['0', '1'] }]) {
      await expect(isolator.update?.('a', resources)).rejects.toEqual(refusal({ field: 'resources.gpus' }));
    }
    await expect(isolator.update?.('unknown', { gpus: 1 })).rejects.toEqual(refusal({ isolator: 'gpu/nvidia' }));
  });

  it('gives none to a sandbox, nor without a reservation', async () => {
    await expect(made().reserve?.(context('a', 1, { sandbox: true }))).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      details: { field: 'spec.resources.gpus' },
    });
    await expect(made().prepare?.(context('a', 1))).rejects.toMatchObject({ code: 'WRONG_STATE' });
  });

  it('uses nodes of the driver only where no specification has a GPU', async () => {
    file('dev/nvidia7');
    const options = {
      folders: { root: folder, place: 'x' },
      control,
      places: { devices: join(folder, 'dev'), driver: folder },
    };
    const both = gpuNvidia({ ...options, cdi: { ...none, specs: [described] } });
    await expect(both.edits(context('a', ['7']))).rejects.toEqual(refusal({ gpu: '7' }));
    // It is found, and then is no device.
    await expect(gpuNvidia({ ...options, cdi: none }).edits(context('a', ['7']))).rejects.toEqual(
      refusal({ errno: 'ENODEV' }),
    );
  });
});

describe('what a host is told of its devices', () => {
  it('are kinds and GPUs with their names, or why there are none and what to do', async () => {
    const cdi = { folders: [folder], specs: [described] };
    const places = { devices: join(folder, 'dev'), driver: folder };
    expect(await probeDevices({ cdi, places })).toEqual([
      { name: 'CDI specifications', works: true, detail: 'nvidia.com/gpu' },
      { name: 'NVIDIA GPUs', works: true, detail: '0 GPU-aaaa, 1 GPU-bbbb, 2:1, 2:0 MIG-cccc' },
    ]);
    const lacking = await probeDevices({ cdi: { folders: [folder] }, places });
    expect(lacking).toMatchObject([
      { works: false, reason: `there are none in ${folder}` },
      { works: false, remedy: expect.stringContaining('nvidia-ctk cdi generate') as string },
    ]);
    file('dev/nvidia0');
    file('bad.json', '{');
    expect(await probeDevices({ cdi: { folders: [folder] }, places })).toMatchObject([
      { works: false, reason: expect.stringContaining('bad.json') as string, remedy: 'mend or remove that' },
      { works: true, detail: '0' },
    ]);
    const malformed = { ...none, specs: [{ ...described, kind: '' }] };
    expect(await probeDevices({ cdi: malformed })).toMatchObject([
      { works: false, reason: expect.stringContaining('cdi.specs[0]') as string },
    ]);
  });
});
