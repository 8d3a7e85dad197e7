import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ContainerSpec, IsolatorEdits } from '@gantry/interface';
import { afterAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { stringify } from 'yaml';
import type { DeviceControl } from '../src/cgroups/device-control.js';
import { cdiReader } from '../src/gpu/cdi-files.js';
import { type CdiEdits, type CdiOptions, gpuCdi, rootUsers } from '../src/index.js';
import { contextOf } from './context.js';

const base = mkdtempSync(join(tmpdir(), 'gantry-cdi-'));
afterAll(() => rmSync(base, { recursive: true, force: true }));

let count = 0;
let first: string;
let second: string;
beforeEach(() => {
  count += 1;
  [first, second] = ['etc', 'run'].map((name) => join(base, String(count), name)) as [string, string];
  for (const folder of [first, second]) mkdirSync(folder, { recursive: true });
});

const control: DeviceControl = { missing: () => undefined, restrict: () => undefined };
const unguarded: DeviceControl = { ...control, missing: () => 'mount the controller' };

const spec = (devices: Readonly<Record<string, CdiEdits>>, containerEdits?: CdiEdits, kind = 'vendor.com/class') => ({
  cdiVersion: '1.1.0',
  kind,
  ...(containerEdits ? { containerEdits } : {}),
  devices: Object.entries(devices).map(([name, edits]) => ({ name, containerEdits: edits })),
});
const write = (path: string, value: object) => {
  writeFileSync(path, path.endsWith('.json') ? JSON.stringify(value) : stringify(value));
  return path;
};
const env = (value: string): CdiEdits => ({ env: [`FROM=${value}`] });

const ask = async (
  names: readonly string[],
  options: CdiOptions & { control?: DeviceControl; spec?: ContainerSpec } = {},
): Promise<IsolatorEdits> => {
  const { spec: given, ...rest } = options;
  const isolator = gpuCdi({ folders: [first, second], control, ...rest, users: rootUsers(ids) });
  return isolator.edits(contextOf({ ...given, devices: names.map((cdi) => ({ cdi })) }));
};
const one = [{ inside: 0, outside: 100_000, size: 65_536 }];
const ids = { uids: one, gids: one };
const refusal = (details: object, message?: RegExp) =>
  expect.objectContaining({
    code: 'REFUSED',
    details: expect.objectContaining({ isolator: 'gpu/cdi', ...details }) as object,
    ...(message ? { message: expect.stringMatching(message) as string } : {}),
  }) as Error;
const a = 'vendor.com/class=a';

describe('the specifications of CDI devices', () => {
  it('are those of files in JSON and YAML, as they are at the moment', async () => {
    write(join(first, 'x.json'), spec({ a: env('json') }));
    write(join(first, 'y.yaml'), spec({ b: { env: ['OTHER=yaml'] } }));
    expect((await ask([a, 'vendor.com/class=b'])).env).toEqual({ FROM: 'json', OTHER: 'yaml' });
    write(join(first, 'x.json'), spec({ a: env('changed') }));
    expect((await ask([a])).env).toEqual({ FROM: 'changed' });
  });

  it('are parsed again only if a file has changed, or has done so just now', async () => {
    const file = write(join(first, 'x.yaml'), spec({ a: env('first') }));
    const read = cdiReader({ folders: [first, second] });
    const parsed = async () => (await read()).sources.map((source) => source.spec);
    const [one] = await parsed();
    const [two] = await parsed();
    expect(two).toEqual(one);
    expect(two).not.toBe(one);
    const later = Date.now() + 5000;
    const clock = vi.spyOn(Date, 'now').mockReturnValue(later);
    try {
      // What says when a file was written is for anybody to set.
      const wasWritten = () => utimesSync(file, 1000, 1000);
      wasWritten();
      const [three] = await parsed();
      expect((await parsed())[0]).toBe(three);
      const text = readFileSync(file, 'utf8');
      writeFileSync(file, text.replace('first', 'other'));
      wasWritten();
      expect(JSON.stringify((await parsed())[0])).toContain('FROM=other');
      rmSync(file);
      expect(await parsed()).toEqual([]);
    } finally {
      clock.mockRestore();
    }
  });

  it('of a later folder count, and those of the host program before all', async () => {
    write(join(first, 'x.json'), spec({ a: env('etc') }));
    write(join(second, 'a.yaml'), spec({ a: env('run') }));
    expect((await ask([a])).env).toEqual({ FROM: 'run' });
    expect((await ask([a], { specs: [spec({ a: env('given') })] })).env).toEqual({ FROM: 'given' });
  });

  it('that are two in one folder make a device unusable, and are named, unless a later folder decides', async () => {
    const files = ['x.json', 'y.yaml'].map((name) =>
      write(join(first, name), spec({ a: env(name), [name[0] ?? '']: env('own') })),
    );
    await expect(ask([a])).rejects.toEqual(refusal({ files, device: a, field: 'spec.devices[0].cdi' }));
    await expect(ask([a])).rejects.toThrow(`${files[0]} and ${files[1]}`);
    expect((await ask(['vendor.com/class=x'])).env).toEqual({ FROM: 'own' });
    write(join(second, 'z.json'), spec({ a: env('later') }));
    expect((await ask([a])).env).toEqual({ FROM: 'later' });
  });

  it('that cannot be read are told of to those who ask for what is nowhere else', async () => {
    write(join(first, 'good.json'), spec({ a: env('good') }));
    writeFileSync(join(first, 'bad.json'), '{');
    write(join(first, 'worse.yaml'), { ...spec({ b: env('b') }), kind: 'class' });
    writeFileSync(join(first, 'big.json'), ' '.repeat(4 * 2 ** 20 + 1));
    mkdirSync(join(second, 'folder.json'));
    writeFileSync(join(first, 'other.txt'), 'not looked at');
    expect((await ask([a])).env).toEqual({ FROM: 'good' });
    const error: Error = (await ask(['vendor.com/class=b']).catch((caught: Error) => caught)) as Error;
    expect(error).toEqual(refusal({ device: 'vendor.com/class=b' }));
    for (const text of [
      'bad.json',
      'worse.yaml: kind: must be vendor.com/class',
      'big.json: has 4194305 bytes',
      'folder.json: is no file',
    ]) {
      expect(error.message).toContain(text);
    }
    expect(error.message).not.toContain('other.txt');
  });

  it('may be none at all', async () => {
    rmSync(first, { recursive: true });
    await expect(ask([a])).rejects.toThrow('no specification has vendor.com/class=a; have');
    expect(await gpuCdi({ folders: [first], control }).edits(contextOf({ devices: [{ path: '/dev/null' }] }))).toEqual(
      {},
    );
  });

  it('of the host program are looked at when it gives them', () => {
    expect(() => gpuCdi({ control, specs: [spec({})] })).toThrow(
      expect.objectContaining({ code: 'INVALID_DOCUMENT', details: { file: 'cdi.specs[0]', path: 'devices' } }),
    );
  });

  it.each(['class=a', 'vendor.com/class', 'vendor.com/class=a b'])('are not even looked at for %s', async (name) => {
    await expect(ask([name])).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      details: { field: 'spec.devices[0].cdi' },
    });
  });

  it('are not asked twice for one device', async () => {
    write(join(first, 'x.json'), spec({ a: env('a') }));
    await expect(ask([a, a])).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      details: { field: 'spec.devices[1].cdi' },
    });
  });
});

describe('what CDI devices have a container get', () => {
  const edits = (device: CdiEdits, options: Parameters<typeof ask>[1] = {}) => {
    write(join(first, 'x.json'), spec({ a: device }));
    return ask([a], options);
  };
  const { uid, gid } = statSync('/dev/null');

  it('is what a specification has for all, once, then what it has for each', async () => {
    const file = { hostPath: '/etc/passwd', containerPath: '/vendor/file' };
    write(
      join(first, 'x.json'),
      spec(
        { a: { env: ['A=1'], mounts: [file] }, b: { env: ['B=2'], mounts: [file] } },
        { env: ['COMMON=1'], hooks: [{ hookName: 'createContainer', path: '/bin/true' }], additionalGids: [7, 0] },
      ),
    );
    expect(await ask([a, 'vendor.com/class=b'])).toEqual({
      env: { COMMON: '1', A: '1', B: '2' },
      devices: [],
      resources: { devices: [] },
      mounts: [{ destination: '/vendor/file', type: 'bind', source: '/etc/passwd', options: ['rbind'] }],
      additionalGids: [7],
      hooks: { createContainer: [{ path: '/bin/true' }] },
    });
  });

  it('are nodes with what the host has, but for what is said, and leave to use them', async () => {
    const nodes = await edits({
      deviceNodes: [
        { path: '/dev/null' },
        { path: '/dev/vendor/zero', hostPath: '/dev/zero', permissions: 'r', fileMode: 0o640, uid: 3, gid: 4 },
        { path: '/dev/absent', type: 'b', major: 240, minor: 7, permissions: 'none' },
        { path: '/dev/u', type: 'u', major: 241, minor: 0 },
        { path: '/dev/fifo', type: 'p' },
      ],
    });
    expect(nodes.devices).toEqual([
      { type: 'c', path: '/dev/null', major: 1, minor: 3, fileMode: 0o666, uid, gid },
      { type: 'c', path: '/dev/vendor/zero', major: 1, minor: 5, fileMode: 0o640, uid: 3, gid: 4 },
      { type: 'b', path: '/dev/absent', major: 240, minor: 7, fileMode: 0o666, uid: 0, gid: 0 },
      { type: 'c', path: '/dev/u', major: 241, minor: 0, fileMode: 0o666, uid: 0, gid: 0 },
      { type: 'p', path: '/dev/fifo', fileMode: 0o666, uid: 0, gid: 0 },
    ]);
    expect(nodes.resources?.devices).toEqual([
      { allow: true, type: 'c', major: 1, minor: 3, access: 'rwm' },
      { allow: true, type: 'c', major: 1, minor: 5, access: 'r' },
      { allow: true, type: 'c', major: 241, minor: 0, access: 'rwm' },
    ]);
  });

  it('are nodes of the container’s user, if that is not root', async () => {
    const { devices } = await edits(
      { deviceNodes: [{ path: '/dev/null' }, { path: '/dev/zero', uid: 0, gid: 9 }] },
      { spec: { user: '12:13' } },
    );
    expect(devices?.map((device) => [device.uid, device.gid])).toEqual([
      [12, 13],
      [0, 9],
    ]);
  });

  it('are binds of what the host has, and other file systems', async () => {
    const { mounts } = await edits({
      mounts: [
        { hostPath: '/etc/passwd', containerPath: '/a//b/', options: ['ro', 'nosuid'] },
        { hostPath: '/etc', containerPath: '/c', type: 'none', options: ['bind', 'ro'] },
        { hostPath: 'tmpfs', containerPath: '/d', type: 'tmpfs', options: ['size=64k'] },
      ],
    });
    expect(mounts).toEqual([
      { destination: '/a/b', type: 'bind', source: '/etc/passwd', options: ['rbind', 'ro', 'nosuid'] },
      { destination: '/c', type: 'bind', source: '/etc', options: ['bind', 'ro'] },
      { destination: '/d', type: 'tmpfs', source: 'tmpfs', options: ['size=64k'] },
    ]);
  });

  it('are hooks, each once', async () => {
    const hook = {
      hookName: 'createContainer',
      path: '/bin/true',
      args: ['true', '-x'],
      env: ['A=b'],
      timeout: 3,
    } as const;
    const start = { hookName: 'startContainer', path: '/not/of/the/host' } as const;
    const { hooks } = await edits({ hooks: [hook, start, hook, { ...hook, args: [] }] });
    const { hookName: _, ...made } = hook;
    expect(hooks).toEqual({
      createContainer: [made, { path: '/bin/true', env: ['A=b'], timeout: 3 }],
      startContainer: [{ path: '/not/of/the/host' }],
    });
  });

  const unmet: readonly [what: string, edits: CdiEdits, message: RegExp, details?: object][] = [
    ['classes of service', { intelRdt: { closID: 'x' } }, /intelRdt.*take that out/],
    ['network interfaces', { netDevices: [{ hostInterfaceName: 'eth9', name: 'a' }] }, /netDevices.*host-device/],
    ...(['prestart', 'createRuntime', 'poststart', 'poststop'] as const).map((hookName): [string, CdiEdits, RegExp] => [
      `${hookName} hooks`,
      { hooks: [{ hookName, path: '/bin/true' }] },
      /make it one of them/,
    ]),
    [
      'hooks that are not there',
      { hooks: [{ hookName: 'createContainer', path: '/not/there' }] },
      /cannot be run \(ENOENT\)/,
      { errno: 'ENOENT' },
    ],
    ['hooks that are no programs', { hooks: [{ hookName: 'createContainer', path: '/etc/passwd' }] }, /\(EACCES\)/],
    [
      'devices that are not there',
      { deviceNodes: [{ path: '/dev/not-there' }] },
      /cannot be had \(ENOENT\)/,
      { errno: 'ENOENT' },
    ],
    ['devices that are none', { deviceNodes: [{ path: '/dev/x', hostPath: '/etc/passwd' }] }, /\(ENODEV\)/],
    ['devices of another type', { deviceNodes: [{ path: '/dev/null', type: 'b' }] }, /is of type c, not b/],
    [
      'devices outside of /dev',
      { deviceNodes: [{ path: '/etc/null', hostPath: '/dev/null' }] },
      /no device can be used at/,
    ],
    [
      'mounts of what is not there',
      { mounts: [{ hostPath: '/not/there', containerPath: '/a' }] },
      /is not there \(ENOENT\)/,
    ],
    ['binds of what is no path', { mounts: [{ hostPath: 'lib.so', containerPath: '/a' }] }, /is not there \(EINVAL\)/],
    [
      'mounts over the kernel’s files',
      { mounts: [{ hostPath: '/etc', containerPath: '/proc/driver' }] },
      /lies in \/proc/,
    ],
    ['mounts over the root', { mounts: [{ hostPath: '/etc', containerPath: '/' }] }, /is the root itself/],
    ['mounts by way of ..', { mounts: [{ hostPath: '/etc', containerPath: '/a/../b' }] }, /has a '\.\.' in it/],
  ];
  it.each(unmet)('are no %s: those are refused, with the file', async (_, device, message, details = {}) => {
    const error = (await edits(device).catch((caught: Error) => caught)) as Error;
    expect(error).toEqual(refusal(details, message));
    expect(error.message).toContain(join(first, 'x.json'));
  });

  it('is not what two of them say differently', async () => {
    const cases: readonly [CdiEdits, CdiEdits, RegExp][] = [
      [env('a'), env('b'), /the variable FROM/],
      [
        { deviceNodes: [{ path: '/dev/x', hostPath: '/dev/null' }] },
        { deviceNodes: [{ path: '/dev/x', hostPath: '/dev/zero' }] },
        /the device \/dev\/x/,
      ],
      [
        { mounts: [{ hostPath: '/etc', containerPath: '/x' }] },
        { mounts: [{ hostPath: '/bin', containerPath: '/x/' }] },
        /the mount \/x/,
      ],
    ];
    for (const [left, right, message] of cases) {
      const files = [write(join(first, 'x.json'), spec({ a: left })), write(join(first, 'y.json'), spec({ b: right }))];
      const devices = [a, 'vendor.com/class=b'];
      await expect(ask(devices)).rejects.toEqual(refusal({ files, devices }, message));
    }
  });

  it('is no less access than all where nothing would hold the container to it', async () => {
    await expect(
      edits({ deviceNodes: [{ path: '/dev/null', permissions: 'r' }] }, { control: unguarded }),
    ).rejects.toEqual(refusal({}, /hold the container to 'r'; mount the controller/));
    const all = await edits({ deviceNodes: [{ path: '/dev/null' }] }, { control: unguarded });
    expect(all.devices).toHaveLength(1);
    expect(all).not.toHaveProperty('resources');
  });

  it('is, in a user namespace, neither a node elsewhere nor a hook of the host', async () => {
    const users = { spec: { userNamespace: 'private' as const } };
    await expect(edits({ deviceNodes: [{ path: '/dev/x', hostPath: '/dev/null' }] }, users)).rejects.toEqual(
      refusal({ path: '/dev/null' }, /at \/dev\/x in a user namespace/),
    );
    await expect(edits({ deviceNodes: [{ path: '/dev/y', type: 'c', major: 240, minor: 1 }] }, users)).rejects.toEqual(
      refusal({}, /ENOENT/),
    );
    await expect(edits({ hooks: [{ hookName: 'createContainer', path: '/bin/true' }] }, users)).rejects.toEqual(
      refusal({ hook: '/bin/true' }, /user namespace/),
    );
    expect((await edits({ deviceNodes: [{ path: '/dev/null' }], additionalGids: [5] }, users)).additionalGids).toEqual([
      5,
    ]);
  });

  it('is no variable that is a secret, too', async () => {
    const secretEnv = { FROM: { name: 'x' } };
    await expect(edits(env('x'), { spec: { secretEnv } })).rejects.toEqual(refusal({ field: 'spec.secretEnv.FROM' }));
  });

  it('is told from what a folder that cannot be listed would have', async () => {
    if (process.geteuid?.() === 0) rmSync(second, { recursive: true });
    if (process.geteuid?.() === 0) writeFileSync(second, '');
    else chmodSync(second, 0);
    await expect(ask([a])).rejects.toEqual(refusal({}, new RegExp(`listing ${second}`)));
    if (process.geteuid?.() !== 0) chmodSync(second, 0o700);
  });
});
