import { InvalidArgumentError } from 'commander';
import { describe, expect, it } from 'vitest';
import { runSpec } from '../src/commands/run.js';
import { parseDevice, parseGpus } from '../src/device-options.js';

describe('--device', () => {
  it.each([
    ['/dev/fuse', { path: '/dev/fuse' }],
    ['/dev/fuse:/dev/inside', { path: '/dev/fuse', containerPath: '/dev/inside' }],
    ['/dev/fuse:r', { path: '/dev/fuse', permissions: 'r' }],
    ['/dev/fuse:/dev/inside:rw', { path: '/dev/fuse', containerPath: '/dev/inside', permissions: 'rw' }],
    ['nvidia.com/gpu=0', { cdi: 'nvidia.com/gpu=0' }],
    ['vendor.com/net-class=a:b', { cdi: 'vendor.com/net-class=a:b' }],
  ])('%s is a device', (text, request) => {
    expect(parseDevice(text)).toEqual(request);
  });

  it.each([
    '',
    'fuse',
    '/dev/fuse:',
    '/dev/fuse:inside',
    '/dev/a:/dev/b:rwx',
    '/dev/a:/dev/b:/dev/c',
    '/dev/fuse:rwmr',
    '/dev/fuse:rx',
    'a.com/b',
    'a:b/c=0',
    'a.com/b:c=0',
    'a.com/b/c=0',
    '/a.com/b=0:r:w',
    'a/b=',
  ])('%j is none', (text) => {
    expect(() => parseDevice(text)).toThrow(InvalidArgumentError);
  });
});

describe('--gpus', () => {
  it.each([
    ['2', 2],
    ['device=0', ['0']],
    ['device=GPU-1234,1:2:0', ['GPU-1234', '1:2:0']],
  ])('%s asks for GPUs', (text, gpus) => {
    expect(parseGpus(text)).toEqual(gpus);
  });

  it.each(['', '-1', '1.5', 'all', 'device=', 'device=0,,1', '1234567', ' 1', 'device', 'x,device=0'])(
    '%j asks for none',
    (text) => {
      expect(() => parseGpus(text)).toThrow(InvalidArgumentError);
    },
  );
});

it('are all asked for, as often as they are given, and only then', () => {
  const none = {
    root: '/',
    stateRoot: '/',
    insecure: [],
    cniPlugins: [],
    env: [],
    volume: [],
    device: [],
    network: [],
    publish: [],
    addHost: [],
    dns: [],
  };
  const asked = runSpec('image', [], { ...none, device: ['/dev/fuse', 'vendor.com/class=0'], gpus: ['0'] });
  expect(asked.devices).toEqual([{ path: '/dev/fuse' }, { cdi: 'vendor.com/class=0' }]);
  expect(asked.resources?.gpus).toEqual(['0']);
  const { devices, resources } = runSpec('image', [], none);
  expect([devices, resources?.gpus]).toEqual([undefined, undefined]);
});
