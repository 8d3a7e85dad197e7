import { describe, expect, it } from 'vitest';
import { appcPod, parseAppcImageManifest, parseAppcPodManifest } from '../../src/index.js';
import { encode } from '../documents.js';
import { imageDigest, imageId, imageManifest, withApp } from './documents.js';

const mounts = [
  { volume: 'spool', path: '/var/spool/work' },
  { volume: 'conf', path: '/etc/worker', appVolume: { name: 'conf', kind: 'host', source: '/srv/conf' } },
];
const [worker, idle] = [
  {
    name: 'worker',
    image: { id: imageId('a'), name: 'images.test/queue/worker', labels: [{ name: 'version', value: '2.1.0' }] },
    app: imageManifest.app,
    readOnlyRootFS: true,
    mounts,
    annotations: [{ name: 'order', value: 'first' }],
  },
  { name: 'idle', image: { name: 'images.test/idle' } },
];

const podManifest = {
  acKind: 'PodManifest',
  acVersion: '0.8.11',
  apps: [worker, idle],
  volumes: [
    { name: 'spool', kind: 'empty', mode: '1777', uid: 5, gid: 6 },
    { name: 'shared', kind: 'host', source: '/srv//shared/', readOnly: true, recursive: false },
  ],
  isolators: [
    { name: 'resource/memory', value: { request: '1G', limit: '4G' } },
    { name: 'os/unix/sysctl', value: { 'net.core.somaxconn': '512' } },
    { name: 'images.test/pod', value: 1 },
  ],
  annotations: [{ name: 'ip-address', value: '10.0.0.1' }],
  ports: [
    { name: 'http', hostPort: 80, hostIP: '127.0.0.1' },
    { name: 'extra', hostPort: 9000, podPort: { name: 'x', protocol: 'udp', port: 53 } },
  ],
  userAnnotations: { Note: 'x' },
  userLabels: { team: 'blue' },
};

const withWorker = (change: Readonly<Record<string, unknown>>) => ({
  ...podManifest,
  apps: [{ ...worker, ...change }, idle],
});
const podOf = (document: object) => appcPod(parseAppcPodManifest(encode(document)));
const invalidAt = (path: string) =>
  expect.objectContaining({ code: 'INVALID_DOCUMENT', details: expect.objectContaining({ path }) });

describe('appcPod', () => {
  it('says in the terms of containers what a pod manifest asks for', () => {
    const pod = podOf(podManifest);
    expect(pod.apps[0]).toEqual({
      name: 'worker',
      image: { id: imageDigest('a'), name: 'images.test/queue/worker', labels: new Map([['version', '2.1.0']]) },
      container: {
        command: ['/bin/worker', '--threads', '4'],
        env: { PATH: '/bin', 'LOG.LEVEL-x': 'a=b', EMPTY: '', AC_APP_NAME: 'worker' },
        workingDir: '/srv/work',
        user: '1000:workers',
        readonlyRootfs: true,
      },
      supplementaryGids: [10, 20],
      mounts: [
        {
          volume: { name: 'spool', kind: 'empty', mode: 0o1777, uid: 5, gid: 6, readonly: false },
          target: '/var/spool/work',
          readonly: false,
        },
        {
          volume: { name: 'conf', kind: 'host', source: '/srv/conf', recursive: true, readonly: false },
          target: '/etc/worker',
          // The volume may be written to; the mount point may not.
          readonly: true,
        },
      ],
      isolation: {
        resources: { requests: { cpus: 0.25, memory: 2 ** 26 }, limits: { cpus: 1.5, memory: 2 ** 26 } },
        capabilities: { drop: ['ALL'], add: ['CAP_NET_BIND_SERVICE'] },
        ignored: ['images.test/own'],
      },
      eventHandlers: imageManifest.app.eventHandlers,
      annotations: new Map([
        ['Any Key', 'x'],
        ['order', 'first'],
      ]),
      labels: new Map([['team', 'red']]),
    });
    expect(pod.apps[1]).toEqual({
      name: 'idle',
      image: { name: 'images.test/idle', labels: new Map() },
      container: { env: { AC_APP_NAME: 'idle' }, readonlyRootfs: false },
      supplementaryGids: [],
      mounts: [],
      isolation: { ignored: [] },
      eventHandlers: [],
      annotations: new Map(),
      labels: new Map(),
    });
    expect(pod.volumes[1]).toEqual({
      name: 'shared',
      kind: 'host',
      source: '/srv/shared',
      recursive: false,
      readonly: true,
    });
    expect(pod.ports).toEqual([
      { name: 'http', protocol: 'tcp', hostPort: 80, hostIp: '127.0.0.1', containerPort: 8080, count: 1 },
      { name: 'extra', protocol: 'udp', hostPort: 9000, containerPort: 53, count: 1 },
    ]);
    expect(pod).toMatchObject({
      isolation: {
        resources: { requests: { memory: 1e9 }, limits: { memory: 4e9 } },
        sysctls: new Map([['net.core.somaxconn', '512']]),
        ignored: ['images.test/pod'],
      },
      annotations: new Map([
        ['Note', 'x'],
        ['ip-address', '10.0.0.1'],
      ]),
      labels: new Map([['team', 'blue']]),
    });
  });

  it('takes from the image what the pod does not say, and leaves the command to its config', () => {
    const manifest = parseAppcPodManifest(encode(withWorker({ app: undefined })));
    const [app] = appcPod(manifest, new Map([['worker', parseAppcImageManifest(encode(imageManifest))]])).apps;
    expect(app?.container).toEqual({ env: { AC_APP_NAME: 'worker' }, readonlyRootfs: true });
    expect(app).toMatchObject({ supplementaryGids: [10, 20], mounts: [{ readonly: false }, { readonly: true }] });
    expect(() => appcPod(manifest)).toThrow(invalidAt('$.ports[0].name'));
  });

  it('keeps a variable called __proto__ a variable', () => {
    const [app] = podOf({
      ...podManifest,
      ports: [],
      apps: [{ ...worker, app: { ...worker?.app, environment: [{ name: '__proto__', value: 'x' }] } }],
    }).apps;
    expect(Object.entries(app?.container.env ?? {})).toEqual([
      ['__proto__', 'x'],
      ['AC_APP_NAME', 'worker'],
    ]);
  });

  it.each([
    ['os/linux/capabilities-remove-set', { set: ['CAP_MKNOD'] }, { capabilities: { drop: ['CAP_MKNOD'] } }],
    ['os/linux/no-new-privileges', true, { noNewPrivileges: true }],
    [
      'os/linux/seccomp-retain-set',
      { set: ['read'], errno: 'EPERM' },
      { seccomp: { mode: 'retain', set: ['read'], errno: 'EPERM' } },
    ],
    ['os/linux/seccomp-remove-set', { set: ['reboot'] }, { seccomp: { mode: 'remove', set: ['reboot'] } }],
    ['resource/cpu', { limit: '2' }, { resources: { requests: { cpus: 2 }, limits: { cpus: 2 } } }],
    ['resource/cpu', { request: '2' }, { resources: { requests: { cpus: 2 }, limits: {} } }],
  ])('translates %s', (name, value, expected) => {
    expect(podOf({ ...podManifest, isolators: [{ name, value }] }).isolation).toEqual({ ...expected, ignored: [] });
  });

  it.each([
    [
      'a mount of no volume',
      withWorker({ mounts: [...mounts, { volume: 'none', path: '/x' }] }),
      '$.apps[0].mounts[2].volume',
    ],
    ['a mount point without mount', withWorker({ mounts: mounts.slice(1) }), '$.apps[0].mounts'],
    ['mounts at one path', withWorker({ mounts: [...mounts, ...mounts] }), '$.apps[0].mounts'],
    [
      'a mount within another',
      withWorker({ mounts: [...mounts, { volume: 'shared', path: '/etc/worker/x' }] }),
      '$.apps[0].mounts',
    ],
    [
      'a mount that hides everything',
      withWorker({ mounts: [...mounts, { volume: 'shared', path: '/' }] }),
      '$.apps[0].mounts',
    ],
    ['a port that no app has', { ...podManifest, ports: [{ name: 'none', hostPort: 1 }] }, '$.ports[0].name'],
    ['a port that two apps have', { ...podManifest, apps: [worker, { ...worker, name: 'twin' }] }, '$.ports[0].name'],
    [
      'a range beyond the last port',
      { ...podManifest, ports: [{ name: 'gossip', hostPort: 65_534 }] },
      '$.ports[0].hostPort',
    ],
  ])('refuses %s', (_, document, path) => {
    expect(() => podOf(document)).toThrow(invalidAt(path));
  });

  it('takes mounts whose paths only look alike', () => {
    const more = ['/etc/worker-2', '/etc/work', '/etc/worker.d'].map((path) => ({ volume: 'shared', path }));
    expect(podOf(withWorker({ mounts: [...mounts, ...more] })).apps[0]?.mounts).toHaveLength(5);
  });

  it('cannot tell the owner of a file for a user', () => {
    const { app } = withApp({ user: '/bin/worker' });
    expect(() => podOf(withWorker({ app }))).toThrow(
      expect.objectContaining({ code: 'UNSUPPORTED', details: { path: '$.apps[0].app.user' } }),
    );
  });
});

describe('parseAppcPodManifest', () => {
  const [volume] = podManifest.volumes;
  const port = { name: 'p', hostPort: 1 };
  it.each([
    ['another kind', { ...podManifest, acKind: 'ImageManifest' }, '$.acKind'],
    ['no apps', { ...podManifest, apps: [] }, '$.apps'],
    ['an app twice', { ...podManifest, apps: [worker, worker] }, '$.apps[1]'],
    ['an app with a slash in its name', withWorker({ name: 'a/b' }), '$.apps[0].name'],
    ['an app without image', withWorker({ image: undefined }), '$.apps[0].image'],
    ['an image without id and name', withWorker({ image: {} }), '$.apps[0].image.id'],
    ['an image id that is short', withWorker({ image: { id: 'sha512-ab' } }), '$.apps[0].image.id'],
    ['an image name that is none', withWorker({ image: { name: 'A' } }), '$.apps[0].image.name'],
    ['a climbing mount', withWorker({ mounts: [{ volume: 'spool', path: '/a/../../b' }] }), '$.apps[0].mounts[0].path'],
    ['an override without user', withWorker({ app: { exec: ['/x'] } }), '$.apps[0].app.user'],
    ['a volume twice', { ...podManifest, volumes: [volume, volume] }, '$.volumes[1]'],
    ['a volume of another kind', { ...podManifest, volumes: [{ ...volume, kind: 'nfs' }] }, '$.volumes[0].kind'],
    ['a host volume without source', { ...podManifest, volumes: [{ name: 'v', kind: 'host' }] }, '$.volumes[0].source'],
    [
      'a relative source',
      { ...podManifest, volumes: [{ name: 'v', kind: 'host', source: 'x' }] },
      '$.volumes[0].source',
    ],
    [
      'a host volume with a mode',
      { ...podManifest, volumes: [{ name: 'v', kind: 'host', source: '/x', mode: '0' }] },
      '$.volumes[0].mode',
    ],
    [
      'an empty volume with a source',
      { ...podManifest, volumes: [{ ...volume, source: '/x' }] },
      '$.volumes[0].source',
    ],
    ['a mode that is not octal', { ...podManifest, volumes: [{ ...volume, mode: '0799' }] }, '$.volumes[0].mode'],
    [
      'a mode beyond the permission bits',
      { ...podManifest, volumes: [{ ...volume, mode: '10000' }] },
      '$.volumes[0].mode',
    ],
    [
      'an owner that means no change',
      { ...podManifest, volumes: [{ ...volume, uid: 2 ** 32 - 1 }] },
      '$.volumes[0].uid',
    ],
    ['port 0', { ...podManifest, ports: [{ ...port, hostPort: 0 }] }, '$.ports[0].hostPort'],
    ['an address that is none', { ...podManifest, ports: [{ ...port, hostIP: '10.0.0.256' }] }, '$.ports[0].hostIP'],
    ['an address of IPv6', { ...podManifest, ports: [{ ...port, hostIP: '::1' }] }, '$.ports[0].hostIP'],
    ['a key in another case', { ...podManifest, Apps: [] }, '$.Apps'],
  ])('refuses %s', (_, document, path) => {
    expect(() => parseAppcPodManifest(encode(document))).toThrow(invalidAt(path));
  });
});
