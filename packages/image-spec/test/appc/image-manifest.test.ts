import { describe, expect, it } from 'vitest';
import {
  appcImageId,
  digestOfAppcImageId,
  matchesAppcRequest,
  parseAppcImageManifest,
  whitelistFilter,
} from '../../src/index.js';
import { encode } from '../documents.js';
import { imageDigest, imageId, imageManifest, withApp } from './documents.js';

const invalidAt = (path: string) =>
  expect.objectContaining({ code: 'INVALID_DOCUMENT', details: expect.objectContaining({ path }) });

describe('parseAppcImageManifest', () => {
  it('reads every field', () => {
    const { raw, ...parsed } = parseAppcImageManifest(encode({ ...imageManifest, extra: 1 }));
    expect(raw['extra']).toBe(1);
    expect(parsed).toEqual({
      acKind: 'ImageManifest',
      acVersion: '0.8.11',
      name: 'images.test/queue/worker',
      labels: new Map([
        ['version', '2.1.0'],
        ['os', 'linux'],
        ['arch', 'aarch64'],
        ['channel', 'beta'],
      ]),
      app: {
        exec: ['/bin/worker', '--threads', '4'],
        user: '1000',
        group: 'workers',
        supplementaryGids: [10, 20],
        workingDirectory: '/srv/work',
        environment: new Map([
          ['PATH', '/bin'],
          ['LOG.LEVEL-x', 'a=b'],
          ['EMPTY', ''],
        ]),
        mountPoints: [
          { name: 'spool', path: '/var/spool/work', readonly: false },
          { name: 'conf', path: '/etc/worker', readonly: true },
        ],
        ports: [
          { name: 'http', protocol: 'tcp', port: 8080, count: 1, socketActivated: true },
          { name: 'gossip', protocol: 'udp', port: 7000, count: 3, socketActivated: false },
        ],
        isolators: [
          { name: 'resource/cpu', request: 0.25, limit: 1.5 },
          { name: 'resource/memory', limit: 64 * 1024 * 1024 },
          { name: 'os/linux/capabilities-retain-set', set: ['CAP_NET_BIND_SERVICE'] },
          { name: 'other', identifier: 'images.test/own', value: { any: [1, null] } },
        ],
        eventHandlers: [
          { name: 'pre-start', exec: ['/bin/prepare'] },
          { name: 'post-stop', exec: ['/bin/tidy', '-v'] },
        ],
        userAnnotations: new Map([['Any Key', 'x']]),
        userLabels: new Map([['team', 'red']]),
      },
      dependencies: [
        {
          imageName: 'images.test/base',
          imageId: imageDigest('b'),
          labels: new Map([['os', 'linux']]),
          size: 4096,
        },
        { imageName: 'images.test/certs', labels: new Map() },
      ],
      pathWhitelist: ['/bin/worker', '/etc/worker'],
      annotations: new Map([
        ['created', '2016-02-29T12:00:00.25+01:00'],
        ['homepage', 'https://images.test'],
        ['images.test/owner', 'somebody'],
      ]),
    });
  });

  it('reads the least that there can be', () => {
    const least = { acKind: 'ImageManifest', acVersion: '0.8.11+git', name: 'a' };
    expect(parseAppcImageManifest(encode(least))).toMatchObject({ name: 'a', dependencies: [], pathWhitelist: [] });
    expect(parseAppcImageManifest(encode(least))).not.toHaveProperty('app');
    const app = { user: '0', group: '0' };
    expect(parseAppcImageManifest(encode({ ...least, app })).app).toMatchObject({ exec: [], workingDirectory: '/' });
  });

  it('takes both spellings of supplementary groups, but not at once', () => {
    const other = withApp({ supplementaryGIDs: undefined, supplementaryGids: [7] });
    expect(parseAppcImageManifest(encode(other)).app?.supplementaryGids).toEqual([7]);
    expect(() => parseAppcImageManifest(encode(withApp({ supplementaryGids: [7] })))).toThrow(
      invalidAt('$.app.supplementaryGids'),
    );
  });

  it.each(['a', 'a.b/c', 'example.com/user/app_v1', 'a-b.c~d_e/f', '0'])('takes the name %s', (name) => {
    expect(parseAppcImageManifest(encode({ ...imageManifest, name })).name).toBe(name);
  });

  it.each(['', 'A', '-a', 'a/', '/a', 'a//b', 'a..b', 'a b', 'ä', 'a\n', 'a%2e', 'a:b', 'x'.repeat(1025)])(
    'refuses the name %j',
    (name) => {
      expect(() => parseAppcImageManifest(encode({ ...imageManifest, name }))).toThrow(invalidAt('$.name'));
    },
  );

  const [label] = imageManifest.labels;
  const [dependency] = imageManifest.dependencies;
  const port = { name: 'p', protocol: 'tcp', port: 1 };
  it.each([
    ['another kind', { ...imageManifest, acKind: 'PodManifest' }, '$.acKind'],
    ['no version', { ...imageManifest, acVersion: undefined }, '$.acVersion'],
    ['another major version', { ...imageManifest, acVersion: '1.0.0' }, '$.acVersion'],
    ['a label called name', { ...imageManifest, labels: [{ name: 'name', value: 'x' }] }, '$.labels[0].name'],
    ['a label twice', { ...imageManifest, labels: [label, label] }, '$.labels[1].name'],
    ['a label without value', { ...imageManifest, labels: [{ name: 'os' }] }, '$.labels[0].value'],
    ['a label that is no string', { ...imageManifest, labels: [{ name: 'os', value: 1 }] }, '$.labels[0].value'],
    ['an annotation twice', { ...imageManifest, annotations: [label, label] }, '$.annotations[1].name'],
    [
      'an annotation with an upper-case name',
      { ...imageManifest, annotations: [{ name: 'A', value: '' }] },
      '$.annotations[0].name',
    ],
    ['a dependency without name', { ...imageManifest, dependencies: [{}] }, '$.dependencies[0].imageName'],
    [
      'a short image id',
      { ...imageManifest, dependencies: [{ ...dependency, imageID: 'sha512-ab' }] },
      '$.dependencies[0].imageID',
    ],
    [
      'an image id of another hash',
      { ...imageManifest, dependencies: [{ ...dependency, imageID: `sha256-${'a'.repeat(64)}` }] },
      '$.dependencies[0].imageID',
    ],
    [
      'an image id in another case',
      { ...imageManifest, dependencies: [{ ...dependency, imageId: 'x' }] },
      '$.dependencies[0].imageId',
    ],
    ['a negative size', { ...imageManifest, dependencies: [{ ...dependency, size: -1 }] }, '$.dependencies[0].size'],
    ['a relative path in the whitelist', { ...imageManifest, pathWhitelist: ['/a', 'b'] }, '$.pathWhitelist[1]'],
    ['a climbing path in the whitelist', { ...imageManifest, pathWhitelist: ['/a/../b'] }, '$.pathWhitelist[0]'],
    ['no user', withApp({ user: undefined }), '$.app.user'],
    ['a user of two lines', withApp({ user: 'a\nb' }), '$.app.user'],
    ['a user that is two', withApp({ user: '0:0' }), '$.app.user'],
    ['a group with NUL', withApp({ group: '0\0' }), '$.app.group'],
    ['a NUL in a word', withApp({ exec: ['a', 'b\0'] }), '$.app.exec[1]'],
    ['a group id that means no change', withApp({ supplementaryGIDs: [1, 2 ** 32 - 1] }), '$.app.supplementaryGIDs[1]'],
    ['a relative working directory', withApp({ workingDirectory: 'srv' }), '$.app.workingDirectory'],
    ['an empty working directory', withApp({ workingDirectory: '' }), '$.app.workingDirectory'],
    ['a variable with =', withApp({ environment: [{ name: 'A=', value: '' }] }), '$.app.environment[0].name'],
    [
      'a variable that starts with a digit',
      withApp({ environment: [{ name: '1', value: '' }] }),
      '$.app.environment[0].name',
    ],
    ['a variable twice', withApp({ environment: [label, label] }), '$.app.environment[1].name'],
    ['a NUL in a variable', withApp({ environment: [{ name: 'A', value: '\0' }] }), '$.app.environment[0].value'],
    [
      'a mount point with a slash in its name',
      withApp({ mountPoints: [{ name: 'a/b', path: '/' }] }),
      '$.app.mountPoints[0].name',
    ],
    ['a climbing mount point', withApp({ mountPoints: [{ name: 'a', path: '/../etc' }] }), '$.app.mountPoints[0].path'],
    ['port 0', withApp({ ports: [{ ...port, port: 0 }] }), '$.app.ports[0].port'],
    ['port 65536', withApp({ ports: [{ ...port, port: 65_536 }] }), '$.app.ports[0].port'],
    ['a range beyond 65535', withApp({ ports: [{ ...port, port: 65_000, count: 537 }] }), '$.app.ports[0].count'],
    ['a range of none', withApp({ ports: [{ ...port, count: 0 }] }), '$.app.ports[0].count'],
    ['a port name twice', withApp({ ports: [port, port] }), '$.app.ports[1]'],
    [
      'an event that is not known',
      withApp({ eventHandlers: [{ name: 'start', exec: [] }] }),
      '$.app.eventHandlers[0].name',
    ],
    [
      'two handlers of an event',
      withApp({ eventHandlers: [{ name: 'pre-start' }, { name: 'pre-start' }] }),
      '$.app.eventHandlers[1]',
    ],
    ['a user label that is no string', withApp({ userLabels: { a: 1 } }), '$.app.userLabels.a'],
    ['a key in another case', withApp({ Exec: ['/evil'] }), '$.app.Exec'],
  ])('refuses %s', (_, document, path) => {
    expect(() => parseAppcImageManifest(encode(document))).toThrow(invalidAt(path));
  });
});

describe('isolators', () => {
  const parse = (...isolators: readonly object[]) =>
    parseAppcImageManifest(encode(withApp({ isolators }))).app?.isolators;
  const one = (name: string, value: unknown) => parse({ name, value })?.[0];

  it.each<[unknown, number]>([
    ['1', 1],
    ['0.3', 0.3],
    ['300m', 0.3],
    ['2k', 2000],
    ['0.0001', 0.001],
    [2, 2],
    ['0', 0],
  ])('reads %j CPUs', (limit, cpus) => {
    expect(one('resource/cpu', { limit })).toEqual({ name: 'resource/cpu', limit: cpus });
  });

  it.each<[unknown, number]>([
    ['128974848', 128974848],
    ['125952Ki', 128974848],
    ['123Mi', 128974848],
    ['1G', 1e9],
    ['1.5Gi', 1.5 * 2 ** 30],
    ['1500m', 2],
    ['8P', 8e15],
    [4096, 4096],
  ])('reads %j bytes', (request, bytes) => {
    expect(one('resource/memory', { request })).toEqual({ name: 'resource/memory', request: bytes });
  });

  it('reads the other isolators', () => {
    expect(
      parse(
        { name: 'os/linux/capabilities-remove-set', value: { set: ['CAP_MKNOD', 'CAP_SYS_CHROOT'] } },
        { name: 'os/linux/no-new-privileges', value: true },
        { name: 'os/linux/seccomp-remove-set', value: { set: ['reboot', '@appc.io/empty'], errno: 'ENOTSUP' } },
        { name: 'os/unix/sysctl', value: { 'net.ipv4.tcp_mtu_probing': '1' } },
        { name: 'os/linux/cpu-shares', value: 5 },
      ),
    ).toEqual([
      { name: 'os/linux/capabilities-remove-set', set: ['CAP_MKNOD', 'CAP_SYS_CHROOT'] },
      { name: 'os/linux/no-new-privileges', value: true },
      { name: 'os/linux/seccomp-remove-set', set: ['reboot', '@appc.io/empty'], errno: 'ENOTSUP' },
      { name: 'os/unix/sysctl', sysctls: new Map([['net.ipv4.tcp_mtu_probing', '1']]) },
      { name: 'other', identifier: 'os/linux/cpu-shares', value: 5 },
    ]);
    expect(one('os/linux/seccomp-retain-set', { set: ['@appc.io/all'], errno: '' })).toEqual({
      name: 'os/linux/seccomp-retain-set',
      set: ['@appc.io/all'],
    });
  });

  it('does not take the name of an isolator for a property of an object', () => {
    expect(one('constructor', 1)).toEqual({ name: 'other', identifier: 'constructor', value: 1 });
  });

  it.each<[string, unknown, string]>([
    ['resource/cpu', { limit: '-1' }, '.value.limit'],
    ['resource/cpu', { limit: '1x' }, '.value.limit'],
    ['resource/cpu', { limit: '1e3' }, '.value.limit'],
    ['resource/cpu', { limit: '' }, '.value.limit'],
    ['resource/cpu', { limit: 1e21 }, '.value.limit'],
    ['resource/cpu', { limit: {} }, '.value.limit'],
    ['resource/cpu', { default: true, limit: '1' }, '.value.default'],
    ['resource/cpu', { request: '2', limit: '1' }, '.value.request'],
    ['resource/cpu', undefined, '.value'],
    ['resource/memory', { limit: '8E' }, '.value.limit'],
    ['resource/memory', { limit: '9'.repeat(20) }, '.value.limit'],
    ['os/linux/capabilities-retain-set', { set: [] }, '.value.set'],
    ['os/linux/capabilities-retain-set', { set: ['CAP_CHOWN', 'CAP_ROOT'] }, '.value.set[1]'],
    ['os/linux/capabilities-remove-set', { set: ['chown'] }, '.value.set[0]'],
    ['os/linux/no-new-privileges', 'true', '.value'],
    ['os/linux/seccomp-retain-set', { set: ['a b'] }, '.value.set[0]'],
    ['os/linux/seccomp-retain-set', { set: ['read'], errno: 'enosys' }, '.value.errno'],
    ['os/unix/sysctl', { 'net.ipv4.x y': '1' }, '.value["net.ipv4.x y"]'],
    ['os/unix/sysctl', { '../x': '1' }, '.value["../x"]'],
    ['Resource/CPU', {}, '.name'],
  ])('refuses %s of %j', (name, value, path) => {
    expect(() => one(name, value)).toThrow(invalidAt(`$.app.isolators[0]${path}`));
  });

  it.each([
    ['os/linux/capabilities-retain-set', 'os/linux/capabilities-remove-set', { set: ['CAP_CHOWN'] }],
    ['os/linux/seccomp-retain-set', 'os/linux/seccomp-remove-set', { set: ['read'] }],
    ['resource/cpu', 'resource/cpu', { limit: '1' }],
  ])('refuses %s beside %s', (first, second, value) => {
    expect(() => parse({ name: first, value }, { name: second, value })).toThrow(invalidAt('$.app.isolators'));
  });
});

describe('image ids', () => {
  it('are sha512- and 128 hex digits', () => {
    expect(appcImageId('a'.repeat(128))).toBe(imageId('a'));
    expect(appcImageId(imageDigest('a'))).toBe(imageId('a'));
    expect(digestOfAppcImageId(imageId('a'))).toBe(imageDigest('a'));
  });

  it.each(['', 'a', 'A'.repeat(128), 'a'.repeat(127), `${'a'.repeat(128)}\n`, `sha256:${'a'.repeat(64)}`])(
    'are not made of %j',
    (text) => {
      expect(() => appcImageId(text)).toThrow(
        expect.objectContaining({ code: 'INVALID_ARGUMENT', details: { field: 'sha512' } }),
      );
      expect(digestOfAppcImageId(`sha512-${text}`)).toBeUndefined();
    },
  );
});

describe('matchesAppcRequest', () => {
  const manifest = parseAppcImageManifest(encode(imageManifest));
  it.each([
    [manifest.name, {}, true],
    [manifest.name, { version: '2.1.0', os: 'linux' }, true],
    [manifest.name, { version: '2.1.1' }, false],
    [manifest.name, { flavour: 'x' }, false],
    ['images.test/queue', {}, false],
  ])('%s with %o is %s', (name, labels, expected) => {
    expect(matchesAppcRequest(manifest, name, new Map(Object.entries(labels)))).toBe(expected);
  });
});

describe('whitelistFilter', () => {
  it('keeps the paths listed and the folders on the way, not what is in a listed folder', () => {
    const keeps = whitelistFilter(new Set(['/etc/ssl/ca.pem', '/srv']));
    const paths = ['/', '/etc', '/etc/ssl', '/etc/ssl/ca.pem', '/etc/ssl/other', '/srv', '/srv/x', '/et', '/s'];
    expect(paths.filter(keeps)).toEqual(['/', '/etc', '/etc/ssl', '/etc/ssl/ca.pem', '/srv']);
    expect(whitelistFilter(new Set(['/']))('/a')).toBe(false);
  });
});
