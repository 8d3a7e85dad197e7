import type { OciSpec } from '@gantry/interface';
import { describe, expect, it } from 'vitest';
import { compilePlan } from '../src/index.js';
import { request } from './support/document.js';

const full = (config: OciSpec) => {
  config.hostname = 'box';
  config.linux.maskedPaths = ['/proc/kcore', '/secret'];
  config.linux.readonlyPaths = ['/proc/sys'];
  config.linux.sysctl = { 'net.ipv4.ip_forward': '1' };
  config.linux.devices = [{ type: 'c', path: '/dev/fuse', major: 10, minor: 229 }];
  config.mounts.push({ destination: '/tmp', type: 'tmpfs', source: 'tmpfs' });
  config.mounts.push({ destination: '/data', type: 'bind', source: '/srv', options: ['rbind'] });
};

const groups = { cgroups: ['/sys/fs/cgroup/pids/box'] };

const compile = (edit: (config: OciSpec) => unknown = () => undefined, rest = {}) =>
  compilePlan(
    request(
      (config) => {
        full(config);
        edit(config);
      },
      { ...groups, ...rest },
    ),
    { secrets: 'masked', stages: true },
  );

/** Each op once where it repeats itself, with the paths of those that are about one. */
const outline = (steps: readonly { readonly op: string }[]) =>
  steps
    .map((step) => (['mount', 'bind', 'mask', 'bring'].includes(step.op) ? `${step.op} ${pathOf(step)}` : step.op))
    .filter((line, index, lines) => line !== lines[index - 1]);

const pathOf = (step: object) => ('target' in step ? step.target : 'path' in step ? step.path : '');

describe('what can be done before the root of a container is there', () => {
  it('is all that goes to /proc, /dev and /sys, and what is set in the namespaces', () => {
    const { ahead, steps, unshareFlags } = compile();
    expect(outline(ahead)).toEqual([
      ...['stage', 'loopbackUp', 'sysctl', 'mount /proc', 'mount /dev', 'mount /dev/pts', 'device', 'symlink'],
      ...['readonlyPath', 'mask /proc/kcore', 'sessionKeyring', 'capabilities'],
    ]);
    expect(outline(steps.slice(ahead.length))).toEqual([
      ...['hostname', 'rootOverlay', 'bring /proc', 'bring /dev', 'mount /tmp', 'bind /data', 'makeFolder'],
      ...['awaitGroups', 'joinCgroup', 'pivotRoot', 'mask /secret', 'chdir', 'umask', 'user', 'ready', 'exec'],
    ]);
    expect(steps.slice(0, ahead.length)).toEqual(ahead);
    expect(unshareFlags).toBe(0);
  });

  it('needs no control group, so that the shim waits for these where there are any to join', () => {
    expect(compile().awaitsGroups).toBe(true);
    const without = compile((config) => (config.linux.resources = {}), { cgroups: [] });
    expect(without.awaitsGroups).toBe(false);
    expect(without.steps.some(({ op }) => op === 'awaitGroups')).toBe(false);
    expect(compilePlan(request(full, groups)).awaitsGroups).toBe(false);
  });

  it('is the same array for the next container of the kind', () => {
    const { ahead } = compile();
    expect(compile((config) => config.process.args.push('other')).ahead).toBe(ahead);
    expect(compile((config) => config.linux.maskedPaths?.pop()).ahead).not.toBe(ahead);
    expect(compile((config) => (config.process.capabilities = undefined)).ahead).not.toBe(ahead);
  });

  it.each<[string, (config: OciSpec) => unknown, object?]>([
    ['something of its own below them', (config) => config.mounts.push(bind('/dev/snd'))],
    ['something of its own over one of them', (config) => config.mounts.push(bind('/sys'))],
    ['a second file system at one of them', (config) => config.mounts.push({ destination: '/proc', type: 'proc' })],
    ['a file system that is not alike', (config) => config.mounts.push({ destination: '/sys/fs/bpf', type: 'bpf' })],
    ['a name for one of them that is not plain', (config) => config.mounts.push(bind('/a/../proc/x'))],
    ['a mount over its root', (config) => config.mounts.push(bind('/'))],
    ['a part of /dev whose whole is the image’s', (config) => config.mounts.splice(1, 1)],
    ['mounts that follow the host', (config) => (config.linux.rootfsPropagation = 'rslave')],
    ['namespaces of another', (config) => config.linux.namespaces.splice(1, 4, { type: 'network', path: '/run/n' })],
    ['control groups of version 2', () => undefined, { cgroupVersion: 'v2' }],
  ])('is nothing where a document asks for %s', (_what, edit, rest) => {
    const { ahead, unshareFlags } = compile((config) => {
      config.hostname = undefined;
      config.linux.sysctl = {};
      edit(config);
    }, rest);
    expect(ahead).toEqual([]);
    expect(unshareFlags).toBe(0x00020000);
  });

  it('is nothing unless the host can do it', () => {
    expect(compilePlan(request(full, groups)).ahead).toEqual([]);
  });
});

function bind(destination: string) {
  return { destination, type: 'bind', source: '/srv', options: ['bind'] };
}
