import type { OciSpec } from '@gantry/interface';
import { describe, expect, it } from 'vitest';
import { compilePlan } from '../src/index.js';
import { request } from './support/document.js';

const refusal = (edit: (config: OciSpec) => unknown) => {
  try {
    compilePlan(request(edit));
  } catch (error) {
    return error;
  }
  return undefined;
};

/** Sets a field that the types do not know, as a document read from a file may hold it. */
const alien = (holder: object, name: string) => Object.assign(holder, { [name]: {} });

describe('a document that cannot be carried out', () => {
  const cases: readonly [field: string, edit: (config: OciSpec) => unknown][] = [
    ['ociVersion', (config) => Object.assign(config, { ociVersion: '2.0.0' })],
    ['hooks.poststop', (config) => Object.assign(config, { hooks: { poststop: [{ path: '/bin/true' }] } })],
    [
      'hooks.createContainer[0].when',
      (config) => Object.assign(config, { hooks: { createContainer: [{ path: '/bin/true', when: {} }] } }),
    ],
    ['process.apparmorProfile', (config) => alien(config.process, 'apparmorProfile')],
    ['linux.intelRdt', (config) => alien(config.linux, 'intelRdt')],
    ['mounts[1].uidMappings', (config) => alien(config.mounts[1] ?? {}, 'uidMappings')],
    [
      'linux.namespaces',
      (config) => {
        config.linux.namespaces.push({ type: 'user' });
        const one = [{ containerID: 0, hostID: 1000, size: 1 }];
        Object.assign(config.linux, { uidMappings: one, gidMappings: one });
      },
    ],
    [
      'linux.namespaces[5].path',
      (config) => config.linux.namespaces.push({ type: 'cgroup', path: '/proc/1/ns/cgroup' }),
    ],
    [
      'linux.namespaces[5].path',
      (config) => {
        config.linux.namespaces = config.linux.namespaces.filter(({ type }) => type !== 'pid');
        config.linux.namespaces.push({ type: 'cgroup' }, { type: 'pid', path: '/proc/1/ns/pid' });
      },
    ],
    ['linux.namespaces', (config) => Object.assign(config.linux, { namespaces: [{ type: 'pid' }] })],
    ['linux.rootfsPropagation', (config) => Object.assign(config.linux, { rootfsPropagation: 'shared' })],
    ['linux.resources', (config) => Object.assign(config.linux, { resources: { memory: { limit: 1 } } })],
    ['linux.sysctl["kernel.panic"]', (config) => Object.assign(config.linux, { sysctl: { 'kernel.panic': '1' } })],
    [
      'process.rlimits[0].type',
      (config) => Object.assign(config.process, { rlimits: [{ type: 'RLIMIT_FOO', soft: 1, hard: 1 }] }),
    ],
    [
      'process.capabilities.bounding',
      (config) =>
        Object.assign(config.process, {
          capabilities: {
            bounding: ['CAP_FOO'],
            effective: [],
            permitted: [],
            inheritable: [],
            ambient: [],
          },
        }),
    ],
  ];

  it.each(cases)('is refused by field: %s', (field, edit) => {
    const error = refusal(edit);
    expect(error).toMatchObject({ code: 'UNSUPPORTED', details: { field } });
    expect((error as Error).message.startsWith(`${field}: `)).toBe(true);
  });

  it('is refused if it would change the host', () => {
    const host = (config: OciSpec) => {
      config.linux.namespaces = [{ type: 'mount' }];
    };
    const hostname = refusal((config) => {
      host(config);
      config.hostname = 'box';
    });
    expect(hostname).toMatchObject({ code: 'UNSUPPORTED', details: { field: 'hostname' } });
    for (const name of ['net.ipv4.ip_forward', 'kernel.shmmax', 'fs.mqueue.msg_max', 'kernel.domainname']) {
      const sysctl = refusal((config) => {
        host(config);
        config.linux.sysctl = { [name]: '1' };
      });
      expect(sysctl, name).toMatchObject({ code: 'UNSUPPORTED' });
    }
  });
});

describe('a document that breaks the specification', () => {
  const cases: readonly [path: string, edit: (config: OciSpec) => unknown][] = [
    ['root.path', (config) => Object.assign(config.root, { path: 'rootfs' })],
    ['process.cwd', (config) => Object.assign(config.process, { cwd: 'work' })],
    ['process.args', (config) => Object.assign(config.process, { args: [] })],
    ['process.user.uid', (config) => Object.assign(config.process.user, { uid: 4294967295 })],
    ['process.user.additionalGids[1]', (config) => Object.assign(config.process.user, { additionalGids: [1, -1] })],
    ['process.oomScoreAdj', (config) => Object.assign(config.process, { oomScoreAdj: 1001 })],
    [
      'process.rlimits[0].soft',
      (config) => Object.assign(config.process, { rlimits: [{ type: 'RLIMIT_CPU', soft: 2, hard: 1 }] }),
    ],
    ['linux.namespaces[5].type', (config) => config.linux.namespaces.push({ type: 'pid' })],
    ['linux.maskedPaths[0]', (config) => Object.assign(config.linux, { maskedPaths: ['proc/kcore'] })],
    ['linux.devices[0]', (config) => Object.assign(config.linux, { devices: [{ type: 'c', path: '/dev/x' }] })],
    [
      'linux.sysctl["net.../../kernel"]',
      (config) => Object.assign(config.linux, { sysctl: { 'net.../../kernel': '1' } }),
    ],
    [
      'linux.sysctl["net.ipv4.ip_forward"]',
      (config) => Object.assign(config.linux, { sysctl: { 'net.ipv4.ip_forward': '1\n2' } }),
    ],
    [
      'process.capabilities.effective',
      (config) =>
        Object.assign(config.process, {
          capabilities: {
            bounding: [],
            effective: ['CAP_KILL'],
            permitted: [],
            inheritable: [],
            ambient: [],
          },
        }),
    ],
  ];

  it.each(cases)('is refused by path: %s', (path, edit) => {
    expect(refusal(edit)).toMatchObject({ code: 'INVALID_DOCUMENT', details: { path } });
  });
});

describe('kernel parameters', () => {
  it.each([
    ['net.ipv4.ip_forward', 'net/ipv4/ip_forward'],
    ['net/ipv4/conf/eth0.1/rp_filter', 'net/ipv4/conf/eth0.1/rp_filter'],
    ['net.ipv4.conf.eth0/1.rp_filter', 'net/ipv4/conf/eth0.1/rp_filter'],
    ['kernel.shm_rmid_forced', 'kernel/shm_rmid_forced'],
  ])('%s is %s below /proc/sys', (name, path) => {
    const { steps } = compilePlan(
      request((config) => {
        config.linux.sysctl = { [name]: '0' };
      }),
    );
    expect(steps.find(({ op }) => op === 'sysctl')).toEqual({ op: 'sysctl', path, value: '0' });
  });
});
