import { isGantryError } from '@gantry/interface';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { parseCdiName } from '../src/gpu/cdi-names.js';
import { parseCdiSpec, parseCdiText } from '../src/gpu/cdi-parser.js';

const device = (edits: object = { env: ['A=b'] }, name = 'one') => ({ name, containerEdits: edits });
const document = (rest: object = {}) => ({
  cdiVersion: '1.1.0',
  kind: 'vendor.com/class',
  devices: [device()],
  ...rest,
});
const withEdits = (edits: object) => document({ devices: [device(edits)] });

/** Everything that the newest version has. */
const whole = document({
  annotations: { note: 'whole' },
  containerEdits: { env: ['COMMON=1'] },
  devices: [
    {
      name: '0:1',
      annotations: {},
      containerEdits: {
        env: ['EMPTY=', 'A=b=c'],
        deviceNodes: [
          { path: '/dev/a' },
          {
            path: '/dev/b',
            hostPath: '/dev/c',
            type: 'c',
            major: 195,
            minor: 0,
            fileMode: 0o660,
            permissions: 'rw',
            uid: 0,
            gid: 44,
          },
          { path: '/dev/d', permissions: 'none' },
          { path: '/dev/e', permissions: '' },
        ],
        mounts: [
          { hostPath: '/usr/lib/lib.so', containerPath: '/usr/lib/lib.so', options: ['ro', 'rbind'] },
          { hostPath: 'tmpfs', containerPath: '/tmp/x', type: 'tmpfs' },
        ],
        hooks: [
          { hookName: 'createContainer', path: '/usr/bin/hook', args: ['hook', 'ldcache'], env: ['X=y'], timeout: 5 },
          { hookName: 'poststop', path: '/usr/bin/hook' },
        ],
        additionalGids: [0, 44],
        intelRdt: {
          closID: 'x',
          l3CacheSchema: 'L3:0=f',
          memBwSchema: 'MB:0=1',
          schemata: ['L3:0=f'],
          enableMonitoring: true,
        },
        netDevices: [{ hostInterfaceName: 'eth1', name: 'net0' }],
      },
    },
  ],
});

describe('a CDI specification', () => {
  it('is read with all that the newest version has, from JSON and from YAML', () => {
    expect(parseCdiSpec(whole, 'x')).toEqual(whole);
    expect(parseCdiText(JSON.stringify(whole), '/etc/cdi/x.json')).toEqual(whole);
    expect(parseCdiText(stringify(whole), '/etc/cdi/x.yaml')).toEqual(whole);
  });

  it.each(['0.3.0', '0.4.0', '0.5.0', '0.6.0', '0.7.0', '0.8.0', '1.0.0', '1.1.0', 'v1.0.0'])(
    'may be of version %s',
    (cdiVersion) => {
      expect(parseCdiSpec(document({ cdiVersion }), 'x').cdiVersion).toBe(cdiVersion);
    },
  );

  const faults: readonly [path: string, value: unknown][] = [
    ['', []],
    ['', null],
    ['cdiVersion', document({ cdiVersion: '0.2.0' })],
    ['cdiVersion', document({ cdiVersion: '1.2.0' })],
    ['cdiVersion', document({ cdiVersion: 1 })],
    ['cdiVersion', { kind: 'vendor.com/class', devices: [device()] }],
    ['kind', document({ kind: 'class' })],
    ['kind', document({ kind: 'vendor.com/a/b' })],
    ['kind', document({ kind: '-vendor.com/class' })],
    ['kind', document({ kind: `vendor.com/${'c'.repeat(64)}` })],
    ['kind', document({ kind: `${'v'.repeat(64)}.com/class` })],
    ['kind', document({ kind: 'vendor.com/class-' })],
    ['devices', document({ devices: [] })],
    ['devices', document({ devices: {} })],
    ['devices[1].name', document({ devices: [device(), device()] })],
    ['devices[0].name', document({ devices: [device(undefined, '-a')] })],
    ['devices[0].containerEdits', document({ devices: [{ name: 'a' }] })],
    ['devices[0].containerEdits', withEdits({})],
    ['devices[0].containerEdits', withEdits({ env: [], mounts: [] })],
    ['devices[0].containerEdits.Env', withEdits({ Env: ['A=b'] })],
    ['devices[0].containerEdits.env[1]', withEdits({ env: ['A=b', '=c'] })],
    ['devices[0].containerEdits.env[0]', withEdits({ env: ['A=\0'] })],
    ['devices[0].containerEdits.env', withEdits({ env: null })],
    ['devices[0].containerEdits.deviceNodes[0].path', withEdits({ deviceNodes: [{ path: 'dev/a' }] })],
    ['devices[0].containerEdits.deviceNodes[0].path', withEdits({ deviceNodes: [{}] })],
    [
      'devices[0].containerEdits.deviceNodes[0].hostPath',
      withEdits({ deviceNodes: [{ path: '/dev/a', hostPath: '' }] }),
    ],
    ['devices[0].containerEdits.deviceNodes[0].type', withEdits({ deviceNodes: [{ path: '/dev/a', type: 'char' }] })],
    ['devices[0].containerEdits.deviceNodes[0].major', withEdits({ deviceNodes: [{ path: '/dev/a', major: -1 }] })],
    ['devices[0].containerEdits.deviceNodes[0].minor', withEdits({ deviceNodes: [{ path: '/dev/a', minor: 1.5 }] })],
    [
      'devices[0].containerEdits.deviceNodes[0].fileMode',
      withEdits({ deviceNodes: [{ path: '/dev/a', fileMode: '666' }] }),
    ],
    [
      'devices[0].containerEdits.deviceNodes[0].permissions',
      withEdits({ deviceNodes: [{ path: '/dev/a', permissions: 'rr' }] }),
    ],
    [
      'devices[0].containerEdits.deviceNodes[0].permissions',
      withEdits({ deviceNodes: [{ path: '/dev/a', permissions: 'x' }] }),
    ],
    [
      'devices[0].containerEdits.deviceNodes[0].uid',
      withEdits({ deviceNodes: [{ path: '/dev/a', uid: 2 ** 32 - 1 }] }),
    ],
    ['devices[0].containerEdits.mounts[0].hostPath', withEdits({ mounts: [{ hostPath: '', containerPath: '/a' }] })],
    [
      'devices[0].containerEdits.mounts[0].containerPath',
      withEdits({ mounts: [{ hostPath: '/a', containerPath: 'a' }] }),
    ],
    [
      'devices[0].containerEdits.mounts[0].options[0]',
      withEdits({ mounts: [{ hostPath: '/a', containerPath: '/a', options: [1] }] }),
    ],
    ['devices[0].containerEdits.hooks[0].hookName', withEdits({ hooks: [{ hookName: 'create', path: '/a' }] })],
    ['devices[0].containerEdits.hooks[0].path', withEdits({ hooks: [{ hookName: 'poststop', path: 'a' }] })],
    [
      'devices[0].containerEdits.hooks[0].timeout',
      withEdits({ hooks: [{ hookName: 'poststop', path: '/a', timeout: 0 }] }),
    ],
    ['devices[0].containerEdits.additionalGids[0]', withEdits({ additionalGids: [-1] })],
    ['devices[0].containerEdits.additionalGIDs', withEdits({ additionalGIDs: [1] })],
    ['devices[0].containerEdits.intelRdt.closID', withEdits({ intelRdt: { closID: 'a/b' } })],
    ['devices[0].containerEdits.netDevices[0].name', withEdits({ netDevices: [{ hostInterfaceName: 'eth0' }] })],
    ['cdiVersion', withEdits({ intelRdt: { enableCMT: true } })],
    ['cdiVersion', document({ containerEdits: { intelRdt: { enableMBM: false } } })],
    ['annotations.a', document({ annotations: { a: 1 } })],
    ['containerEdits.mount', document({ containerEdits: { mount: [] } })],
  ];
  it.each(faults)('with a fault at %s is refused with file and path', (path, value) => {
    expect(() => parseCdiSpec(value, '/etc/cdi/x.json')).toThrow(
      expect.objectContaining({
        code: 'INVALID_DOCUMENT',
        message: expect.stringMatching(`^/etc/cdi/x\\.json: `) as string,
        details: { file: '/etc/cdi/x.json', path },
      }),
    );
  });

  it('may have of older versions what came to be dropped', () => {
    const old = { ...withEdits({ intelRdt: { enableCMT: true, enableMBM: true } }), cdiVersion: '1.0.0' };
    expect(parseCdiSpec(old, 'x')).toEqual(old);
  });

  const additions: readonly [version: string, before: string, document: object][] = [
    ['0.4.0', '0.3.0', withEdits({ mounts: [{ hostPath: 'tmpfs', containerPath: '/a', type: 'tmpfs' }] })],
    ['0.5.0', '0.4.0', withEdits({ deviceNodes: [{ path: '/dev/a', hostPath: '/dev/b' }] })],
    ['0.5.0', '0.4.0', document({ devices: [device(undefined, '0')] })],
    ['0.6.0', '0.5.0', document({ annotations: { a: 'b' } })],
    ['0.6.0', '0.5.0', document({ kind: 'vendor.com/a.b' })],
    ['0.7.0', '0.6.0', withEdits({ additionalGids: [1] })],
    ['0.7.0', '0.6.0', withEdits({ intelRdt: { closID: 'a' } })],
    ['1.1.0', '1.0.0', withEdits({ intelRdt: { schemata: ['L3:0=f'] } })],
    ['1.1.0', '1.0.0', withEdits({ intelRdt: { enableMonitoring: true } })],
    ['1.1.0', '1.0.0', withEdits({ netDevices: [{ hostInterfaceName: 'eth0', name: 'a' }] })],
  ];
  it.each(additions)('may have what came with %s, but not if it is of %s', (version, before, value) => {
    parseCdiSpec({ ...value, cdiVersion: version }, 'x');
    expect(() => parseCdiSpec({ ...value, cdiVersion: before }, 'x')).toThrow(
      expect.objectContaining({
        details: { file: 'x', path: 'cdiVersion' },
        message: expect.stringContaining(`which needs ${version} or later`) as string,
      }),
    );
  });

  it.each([
    ['a.json', '{"cdiVersion": "1.0.0",'],
    ['a.yaml', 'cdiVersion: "1.0.0"\ncdiVersion: "1.1.0"\n'],
    ['a.yaml', 'devices: [\n'],
    ['a.yaml', 'devices: !!js/function x\n'],
    ['a.yaml', '--- {}\n--- {}\n'],
    [
      'a.yaml',
      `a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: [*c,*c,*c]\n`,
    ],
  ])('that is not even a document is refused: %s %j', (file, source) => {
    expect(() => parseCdiText(source, file)).toThrow(
      expect.objectContaining({ code: 'INVALID_DOCUMENT', details: { file, path: '' } }),
    );
  });

  it('is read or refused in a typed way, whatever it holds', () => {
    const found = [...JSON.stringify(whole).matchAll(/"(\w+)":/g)].map(([, name = '']) => name);
    const names = fc.constantFrom(...found, '__proto__');
    const value = fc.letrec((tie) => ({
      any: fc.oneof(
        { depthSize: 'small' },
        fc.string(),
        fc.integer(),
        fc.constant(null),
        fc.boolean(),
        tie('list'),
        tie('map'),
      ),
      list: fc.array(tie('any'), { maxLength: 3 }),
      map: fc.dictionary(names, tie('any'), { maxKeys: 6 }),
    })).any;
    fc.assert(
      fc.property(value, names, (rest, name) => {
        for (const tried of [rest, { ...whole, [name]: rest }, withEdits({ env: ['A=b'], [name]: rest })]) {
          try {
            // What is read is as it was written: nothing is dropped, nothing added.
            expect(parseCdiSpec(tried, 'x')).toEqual(tried);
          } catch (error) {
            if (!isGantryError(error, 'INVALID_DOCUMENT')) throw error;
          }
        }
      }),
      { numRuns: 500 },
    );
  });

  it('in YAML text of any kind is read or refused in a typed way', () => {
    const pieces = fc.constantFrom(
      '- ',
      'a: ',
      '&x ',
      '*x',
      '!t ',
      '{',
      '}',
      '[',
      ']',
      '\n',
      '  ',
      '"',
      "'",
      '<<: ',
      '? ',
      '|\n',
      'b',
    );
    fc.assert(
      fc.property(fc.array(pieces, { maxLength: 20 }), (parts) => {
        expect(() => parseCdiText(parts.join(''), 'x.yaml')).toThrow(
          expect.objectContaining({ code: 'INVALID_DOCUMENT' }),
        );
      }),
      { numRuns: 500 },
    );
  });
});

describe('a fully qualified name', () => {
  it.each([
    ['vendor.com/class=name', 'vendor.com/class', 'name'],
    ['nvidia.com/gpu=0:1', 'nvidia.com/gpu', '0:1'],
    ['a/b.c_d=GPU-1f', 'a/b.c_d', 'GPU-1f'],
  ])('%s has its parts', (name, kind, part) => {
    expect(parseCdiName(name)).toEqual({ kind, device: part });
  });

  it.each([
    '',
    '=',
    'vendor.com/class',
    'vendor.com=a',
    'vendor.com/class=',
    'vendor.com/class=a=b',
    'v/c=-a',
    'v/c=a/b',
    '/c=a',
    'v/=a',
  ])('%j is none', (name) => {
    expect(parseCdiName(name)).toBeUndefined();
  });
});
