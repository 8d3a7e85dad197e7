import { describe, expect, it } from 'vitest';
import { appcPod, appcPodSpec, parseAppcPodManifest } from '../../src/index.js';
import { encode } from '../documents.js';

const app = { exec: ['/bin/serve'], user: '0', group: '0' };
const images = new Map([
  ['web', 'store.test/web:1'],
  ['log', 'store.test/log:1'],
]);

const document = (change: object = {}, ofWeb: object = {}, ofRuntime: object = {}) => ({
  acKind: 'PodManifest',
  acVersion: '0.8.11',
  apps: [
    {
      name: 'web',
      image: { name: 'images.test/web' },
      app: { ...app, ports: [{ name: 'http', protocol: 'tcp', port: 8080, count: 2 }], ...ofWeb },
      mounts: [
        { volume: 'spool', path: '/spool' },
        { volume: 'own', path: '/own', appVolume: { name: 'own', kind: 'empty' } },
        { volume: 'conf', path: '/etc/web' },
      ],
      ...ofRuntime,
    },
    { name: 'log', image: { name: 'images.test/log' }, mounts: [{ volume: 'spool', path: '/in' }] },
  ],
  volumes: [
    { name: 'spool', kind: 'empty' },
    { name: 'conf', kind: 'host', source: '/srv/conf', readOnly: true, recursive: false },
  ],
  ports: [{ name: 'http', hostPort: 80, hostIP: '127.0.0.1' }],
  isolators: [{ name: 'os/unix/sysctl', value: { 'net.core.somaxconn': '512' } }],
  userLabels: { team: 'blue' },
  ...change,
});
const specOf = (given: object) => appcPodSpec(appcPod(parseAppcPodManifest(encode(given))), images);

describe('appcPodSpec', () => {
  it('is a pod of ours: containers in order, volumes, ports, what the kernel is to be told', () => {
    expect(specOf(document())).toEqual({
      containers: [
        {
          image: 'store.test/web:1',
          command: ['/bin/serve'],
          env: { AC_APP_NAME: 'web' },
          workingDir: '/',
          user: '0:0',
          readonlyRootfs: false,
          mounts: [
            { type: 'volume', source: 'spool', target: '/spool', readonly: false },
            { type: 'volume', source: 'web.own', target: '/own', readonly: false },
            { type: 'bind', source: '/srv/conf', target: '/etc/web', readonly: true, recursive: false },
          ],
        },
        {
          image: 'store.test/log:1',
          env: { AC_APP_NAME: 'log' },
          readonlyRootfs: false,
          mounts: [{ type: 'volume', source: 'spool', target: '/in', readonly: false }],
        },
      ],
      volumes: ['spool', 'web.own'],
      ports: [{ containerPort: 8080, hostPort: 80, hostIp: '127.0.0.1', protocol: 'tcp', count: 2 }],
      sysctls: { 'net.core.somaxconn': '512' },
      labels: { team: 'blue' },
    });
  });

  it.each([
    [
      { name: 'os/linux/seccomp-remove-set', value: { set: ['ptrace'], errno: 'ENOSYS' } },
      {
        defaultAction: 'SCMP_ACT_ALLOW',
        syscalls: [{ names: ['ptrace'], action: 'SCMP_ACT_ERRNO', errno: 'ENOSYS' }],
      },
    ],
    [
      { name: 'os/linux/seccomp-retain-set', value: { set: ['read', 'execve'] } },
      {
        defaultAction: 'SCMP_ACT_KILL_PROCESS',
        syscalls: [{ names: ['read', 'execve'], action: 'SCMP_ACT_ALLOW' }],
      },
    ],
  ])('has system calls as a profile: %o', (isolator, seccomp) => {
    expect(specOf(document({}, { isolators: [isolator] })).containers[0]).toMatchObject({ seccomp });
  });

  it('has limits and capabilities of an app', () => {
    const isolators = [
      { name: 'resource/memory', value: { limit: '64M' } },
      { name: 'os/linux/capabilities-remove-set', value: { set: ['CAP_CHOWN'] } },
    ];
    expect(specOf(document({}, { isolators })).containers[0]).toMatchObject({
      resources: { limits: { memory: 64e6 } },
      capabilities: { drop: ['CAP_CHOWN'] },
    });
  });

  it.each([
    ['limits on a pod', document({ isolators: [{ name: 'resource/memory', value: { limit: '1G' } }] })],
    ['event handlers', document({}, { eventHandlers: [{ name: 'pre-start', exec: ['/bin/true'] }] })],
    ['groups', document({}, { supplementaryGIDs: [5] })],
    ['sysctls of an app', document({}, { isolators: [{ name: 'os/unix/sysctl', value: { 'kernel.sem': '1' } }] })],
    [
      'a wildcard',
      document({}, { isolators: [{ name: 'os/linux/seccomp-retain-set', value: { set: ['@appc.io/all'] } }] }),
    ],
    ['a protocol', document({}, { ports: [{ name: 'http', protocol: 'dccp', port: 1 }] })],
  ])('is refused %s', (_, given) => {
    expect(() => specOf(given)).toThrow(expect.objectContaining({ code: 'UNSUPPORTED' }));
  });

  it('needs an image for each app', () => {
    const pod = appcPod(parseAppcPodManifest(encode(document())));
    expect(() => appcPodSpec(pod, new Map())).toThrow(
      expect.objectContaining({ code: 'INVALID_ARGUMENT', details: { field: 'images', app: 'web' } }),
    );
  });
});
